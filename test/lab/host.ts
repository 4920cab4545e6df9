/**
 * A lab host: a machine as far as software can tell, with a disk, boots and a real systemd as its process 1, made of namespaces of this
 * machine. It has no network but its own loopback. What a newcomer would get wrong: a frozen v1 process does not die of SIGKILL, so
 * a host is gone only when its cgroups are empty.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdirSync, openSync, closeSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from '../../scripts/tree.ts'
import { childrenOf, commandLine, identify, signalProcess, until } from '../processes.ts'
import { baseDirectory, clearGround, type Ground, type Layout, makeGround, processesOf } from './ground.ts'

export interface Answer {
  readonly code: number | null
  readonly output: string
  readonly error: string
}

/** Half a second on an idle machine. */
const bootLimitMs = 60_000
/** systemd gives what ignores SIGTERM ten seconds at the very end of a shutdown. */
const shutdownLimitMs = 60_000
const commandLimitMs = 90_000

const scriptOf = (name: string): string => join(import.meta.dirname, name)

export class LabHost implements AsyncDisposable {
  readonly layout: Layout
  readonly #ground: Ground
  #machine: ChildProcess | null = null
  #init: number = 0

  private constructor(layout: Layout, ground: Ground) {
    this.layout = layout
    this.#ground = ground
  }

  /** With the package as it is built now; `files` are put on its disk. It is not booted yet. */
  static async make(layout: Layout, files: Readonly<Record<string, string>>): Promise<LabHost> {
    const ground = await makeGround()
    for (const name of ['dist', 'bin', 'package.json'])
      cpSync(join(root, name), join(ground.directory, 'package', name), { recursive: true })
    for (const [path, text] of Object.entries(files)) {
      const file = join(ground.directory, 'upper', path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
    }
    return new LabHost(layout, ground)
  }

  /** Resolves when systemd says that the host is up. */
  async boot(): Promise<void> {
    const { directory, cgroups } = this.#ground
    const console = join(directory, 'console.log')
    const log = openSync(console, 'w')
    const dependencies = join(root, 'node_modules')
    const places = [directory, baseDirectory, join(directory, 'package'), dependencies]
    const words = [scriptOf('start-host.sh'), ...places, this.layout, ...cgroups]
    const machine = spawn('/bin/sh', words, { stdio: ['ignore', log, log], detached: true })
    closeSync(log)
    this.#machine = machine
    // Not sooner: until then process 1 is still on its way to its own root directory, and entering would be entering ours.
    this.#init = await until('the host has its own init', bootLimitMs, () => {
      if (machine.exitCode !== null) throw new Error(`the host ended while booting:\n${readFileSync(console, 'utf8')}`)
      return childrenOf(machine.pid ?? 0).find(({ pid }) => commandLine(pid)[0] === '/sbin/init')?.pid
    })
    await until('systemd is up', bootLimitMs, async () => {
      const { output } = await this.run(['systemctl', 'is-system-running'])
      if (output.trim() === 'degraded') throw new Error((await this.run(['systemctl', '--failed', '--no-pager'])).output)
      return output.trim() === 'running'
    })
  }

  /** As somebody who has logged in and waits for the command's last word. */
  run(words: readonly string[]): Promise<Answer> {
    const { cgroups } = this.#ground
    const all = [scriptOf('enter-host.sh'), `${this.#init}`, `${cgroups.length}`, ...cgroups, ...words]
    const child = spawn('/bin/sh', all, { stdio: ['ignore', 'pipe', 'pipe'], timeout: commandLimitMs, killSignal: 'SIGKILL' })
    const answer = { code: null as number | null, output: '', error: '' }
    child.stdout.on('data', (part: Buffer) => (answer.output += part.toString()))
    child.stderr.on('data', (part: Buffer) => (answer.error += part.toString()))
    const limit = AbortSignal.timeout(commandLimitMs + 5000)
    return new Promise((resolve, reject) => {
      limit.addEventListener('abort', () => {
        // Whoever still holds the pipes would keep an ssh session open forever.
        for (const pipe of [child.stdout, child.stderr]) pipe.destroy()
        reject(new Error(`${words.join(' ')} did not come to an end:\n${answer.output}${answer.error}`))
      })
      child.once('error', reject)
      child.once('close', (code) => resolve({ ...answer, code }))
    })
  }

  /** The power fails: nobody in there gets to know. */
  async cutPower(): Promise<void> {
    const init = identify(this.#init)
    if (init !== null) signalProcess(init, 'SIGKILL')
    await this.ended()
  }

  /** Resolves when nothing of it runs, for instance after it was told to reboot. */
  async ended(): Promise<void> {
    await until('the host is off', shutdownLimitMs, () => processesOf(this.#ground).length === 0)
    this.#machine = null
  }

  /** Process ids as this machine, outside, sees them. */
  processes(): readonly number[] {
    return processesOf(this.#ground)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const machine = this.#machine?.pid === undefined ? null : identify(this.#machine.pid)
    if (machine !== null) signalProcess(machine, 'SIGKILL')
    await clearGround(this.#ground)
  }
}
