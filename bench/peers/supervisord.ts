/** supervisord, Debian's package `supervisor`, installed when it is first needed; only its program, no service of the machine. */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { childrenOf, identify, signalProcess } from '../../test/processes.ts'
import type { Peer, PeerOptions } from './peer.ts'

const program = '/usr/bin/supervisord'

/** Null where it cannot be had. */
export function supervisordPeer(options: PeerOptions): Peer | null {
  if (!install()) return null
  let daemon: ChildProcess | null = null
  const stop = async (): Promise<void> => {
    if (daemon?.pid === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return
    const programs = childrenOf(daemon.pid)
    const ended = once(daemon, 'exit')
    daemon.kill('SIGTERM')
    const limit = setTimeout(() => daemon?.kill('SIGKILL'), 20_000)
    await ended
    clearTimeout(limit)
    for (const left of programs) signalProcess(left, 'SIGKILL')
  }
  return {
    name: `supervisord ${spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout.trim()}`,
    start: async (count) => {
      daemon = spawn(program, ['-c', join(import.meta.dirname, 'supervisord.conf')], {
        env: {
          PATH: process.env['PATH'],
          BENCH_HOME: options.home,
          BENCH_PEERS: import.meta.dirname,
          BENCH_COUNT: String(count),
          FIRST_ACTION: options.firstAction,
        },
        stdio: ['ignore', 'ignore', 'inherit'],
      })
      await once(daemon, 'spawn')
    },
    overhead: () => {
      const id = daemon?.pid === undefined ? null : identify(daemon.pid)
      return id === null ? [] : [id]
    },
    cgroup: () => null,
    program: () => (daemon?.pid === undefined ? null : (childrenOf(daemon.pid).toSorted((a, b) => a.pid - b.pid)[0] ?? null)),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function install(): boolean {
  if (existsSync(program)) return true
  if (process.getuid?.() !== 0) return false
  const install = ['install', '-y', '-q', '--no-install-recommends', 'supervisor']
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const words of [install, ['update', '-q'], install]) {
    spawnSync('apt-get', words, { env: environment, stdio: 'ignore', timeout: 180_000 })
    if (existsSync(program)) return true
  }
  return false
}
