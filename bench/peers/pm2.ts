/** pm2, installed from npm into `bench/node_modules` when it is first needed, with a home of its own. */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { identify, isAlive, signalProcess, until, childrenOf, type ProcessId } from '../../test/processes.ts'
import type { Peer, PeerOptions } from './peer.ts'

const bench = join(import.meta.dirname, '..')
const installed = join(bench, 'node_modules/pm2/package.json')

/** Null where it cannot be had. */
export function pm2Peer(options: PeerOptions): Peer | null {
  if (!install()) return null
  const { version } = JSON.parse(readFileSync(installed, 'utf8')) as { readonly version: string }
  const god = (): ProcessId | null => {
    const file = join(options.home, 'pm2.pid')
    return existsSync(file) ? identify(Number(readFileSync(file, 'utf8'))) : null
  }
  const stop = async (): Promise<void> => {
    const daemon = god()
    if (daemon === null) return
    // SIGTERM ends its programs too; anything that is left after that is ended by name and start time.
    const programs = childrenOf(daemon.pid)
    signalProcess(daemon, 'SIGTERM')
    await until('pm2 has ended', 20_000, () => !isAlive(daemon)).catch(() => signalProcess(daemon, 'SIGKILL'))
    for (const program of programs) signalProcess(program, 'SIGKILL')
  }
  return {
    name: `pm2 ${version}`,
    start: async (count) => {
      const words = [join(bench, 'node_modules/pm2/bin/pm2'), 'start', join(import.meta.dirname, 'ecosystem.config.cjs'), '-s']
      const run = spawn(process.execPath, words, {
        env: {
          PATH: process.env['PATH'],
          HOME: options.home,
          PM2_HOME: options.home,
          BENCH_COUNT: String(count),
          FIRST_ACTION: options.firstAction,
        },
        stdio: 'ignore',
        timeout: 120_000,
      })
      const [code] = (await once(run, 'exit')) as [number | null]
      if (code !== 0) throw new Error(`pm2 start ended with ${code}`)
    },
    overhead: () => [god()].filter((id) => id !== null),
    cgroup: () => null,
    program: () => {
      const daemon = god()
      return daemon === null ? null : (childrenOf(daemon.pid).toSorted((a, b) => a.pid - b.pid)[0] ?? null)
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function install(): boolean {
  if (existsSync(installed)) return true
  const npm = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock', '--silent'], {
    cwd: bench,
    timeout: 180_000,
  })
  return npm.status === 0 && existsSync(installed)
}
