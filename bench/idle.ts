/**
 * What it costs to have 50 programs while nothing happens. Daemon: resident memory, as `ps` would show it. Keeper: the proportional
 * share of each instance's keeper processes, because what 100 shells share of /bin/sh and the C library exists once; the resident
 * number is told beside it. A Node that does nothing at all is the floor that the daemon stands on.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { identify, type ProcessId } from '../test/processes.ts'
import { compare, cpuSecondsOf, memoryOf, reportOne, type Memory, type Row, type Sample } from './measure.ts'
import type { Peer } from './peers/peer.ts'
import { openBench } from './side-by-side.ts'
import { memoryWhileWatched } from './watched.ts'

const count = 50
const windowSeconds = 60
/** After the start: what the start needed has been given back, and probes have found their rhythm. */
const settleMs = 10_000
const bareSettleMs = 2000

export async function idle(): Promise<readonly Row[]> {
  using bench = openBench()
  const quiet = bench.daruma()
  const own = await observe(
    quiet,
    () => quiet.machine.find('daemon'),
    () => quiet.machine.find('keeper'),
  )
  const peers: { readonly who: string; readonly seen: Observation }[] = []
  for (const peer of bench.peers())
    peers.push({
      who: peer.name,
      seen: await observe(
        peer,
        () => peer.overhead(),
        () => [],
      ),
    })

  const server = createServer((_request, response) => response.end('ok\n')).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const probed = bench.daruma({ http: { path: '/', port }, interval: '1s' })
  const withProbes = await observe(
    probed,
    () => probed.machine.find('daemon'),
    () => [],
  )
  server.closeAllConnections()
  server.close()

  const floor = await memoryOfBareNode()
  const watched = await memoryWhileWatched({ count, windowMs: windowSeconds * 1000 })

  const beside = (pick: (seen: Observation) => number): Sample[] => [
    { who: 'daruma', value: pick(own) },
    ...peers.map(({ who, seen }) => ({ who, value: pick(seen) })),
  ]
  return [
    ...compare(
      'daemon, resident',
      'MB',
      100,
      beside(({ memory }) => memory.resident),
    ),
    ...compare(
      'daemon with what reads the logs, and supervisor, proportional',
      'MB',
      100,
      beside(({ everything }) => everything.proportional),
    ),
    reportOne('daemon, anonymous', own.memory.anonymous, 'MB', null),
    reportOne('a Node that does nothing, resident', floor.resident, 'MB', null),
    reportOne('a Node that does nothing, anonymous', floor.anonymous, 'MB', null),
    reportOne('daemon with a route, the page open and metrics collected, resident', watched.resident, 'MB', {
      target: 100,
      goal: 'below',
    }),
    ...compare(
      'daemon, CPU of one core',
      '%',
      0.5,
      beside(({ cpuPercent }) => cpuPercent),
    ),
    ...compare('daemon, CPU with an http probe a second each', '%', 2, [{ who: 'daruma', value: withProbes.cpuPercent }]),
    ...compare('with its supervisor and what reads the logs, CPU', '%', 0.5, [
      { who: 'daruma', value: own.companionsCpuPercent },
    ]),
    ...compare('keeper of one instance, proportional', 'MB', 2, [{ who: 'daruma', value: own.keepers.proportional / count }]),
    ...compare('keeper of one instance, resident', 'MB', null, [{ who: 'daruma', value: own.keepers.resident / count }]),
  ]
}

interface Observation {
  readonly memory: Memory
  /** With all that runs besides the programs and their keepers. */
  readonly everything: Memory
  readonly cpuPercent: number
  readonly companionsCpuPercent: number
  readonly keepers: Memory
}

async function observe(
  peer: Peer,
  daemon: () => readonly ProcessId[],
  keepers: () => readonly ProcessId[],
): Promise<Observation> {
  try {
    await peer.start(count)
    await sleep(settleMs)
    const [watched, companions] = [daemon(), peer.overhead()]
    if (watched.length === 0) throw new Error(`${peer.name} has no daemon`)
    const before = [cpuSecondsOf(watched), cpuSecondsOf(companions)] as const
    await sleep(windowSeconds * 1000)
    const after = [cpuSecondsOf(watched), cpuSecondsOf(companions)] as const
    return {
      memory: memoryOf(watched),
      everything: memoryOf(companions),
      cpuPercent: ((after[0] - before[0]) / windowSeconds) * 100,
      companionsCpuPercent: ((after[1] - before[1]) / windowSeconds) * 100,
      keepers: memoryOf(keepers()),
    }
  } finally {
    await peer.stop()
  }
}

async function memoryOfBareNode(): Promise<Memory> {
  const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1e9)'], { stdio: 'ignore' })
  try {
    await once(child, 'spawn')
    await sleep(bareSettleMs)
    const id = identify(child.pid ?? 0)
    if (id === null) throw new Error('a Node that does nothing has ended')
    return memoryOf([id])
  } finally {
    child.kill('SIGKILL')
  }
}
