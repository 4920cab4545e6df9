/** Runs exec probes. The child leads its own process group, so that a time-out ends all that it started. */

import { spawn } from 'node:child_process'
import type { CommandRunner } from '../../ports/command.ts'

const maxOutputBytes = 2000

export const nodeCommandRunner: CommandRunner = {
  run(plan, timeoutMs) {
    const [program, ...args] = plan.command
    if (program === undefined) return Promise.resolve({ code: null, output: 'no command' })
    return new Promise((resolve) => {
      const child = spawn(program, args, { env: plan.environment, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
      let output = ''
      const keep = (chunk: Buffer): void => {
        if (output.length < maxOutputBytes) output += chunk.toString('utf8').slice(0, maxOutputBytes - output.length)
      }
      child.stdout.on('data', keep)
      child.stderr.on('data', keep)
      const timer = setTimeout(() => {
        // The child is ours and unreaped, so its pid (and group) cannot have passed to anybody else.
        if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGKILL')
        output = `no end within ${timeoutMs} ms; ${output}`
      }, timeoutMs)
      child.on('error', (error) => {
        clearTimeout(timer)
        resolve({ code: null, output: error.message })
      })
      child.on('exit', (code) => {
        clearTimeout(timer)
        resolve({ code, output: output.trim() })
      })
    })
  },
}
