/**
 * How long a killed program is away: from just before the signal is sent until its successor's first action is heard. Everybody's
 * back-off is off, everybody watches one program, all at the same time and killed in turns.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { signalProcess } from '../test/processes.ts'
import { compare, percentile, type Row } from './measure.ts'
import { CpuAccounts } from './cpu-accounts.ts'
import type { Peer } from './peers/peer.ts'
import { inOrder, openBench } from './side-by-side.ts'

const sets = 10
const killsPerSet = 20
/** supervisord takes about a second each: a fifth of the kills say as much. */
const slowKillsPerSet = 4
/** Between a start and the next kill: a program that lived for no time at all is another question. */
const restMs = 50

export async function respawn(): Promise<readonly Row[]> {
  using bench = openBench()
  using accounts = new CpuAccounts()
  await using daruma = bench.daruma()
  const all: Peer[] = [daruma, ...bench.peers()]
  const times = new Map<Peer, number[]>(all.map((peer) => [peer, []]))
  const cpuSeconds = new Map<Peer, number>()
  try {
    for (const peer of all) {
      const first = bench.actions.next(1, 30_000)
      await accounts.during(peer, () => peer.start(1))
      await first
    }
    await sleep(2000)
    for (let set = 0; set < sets; set += 1) {
      for (const peer of inOrder(all, set)) {
        const kills = peer.name.startsWith('supervisord') ? slowKillsPerSet : killsPerSet
        const before = accounts.seconds(peer)
        for (let kill = 0; kill < kills; kill += 1) times.get(peer)?.push(await killOnce(peer, bench))
        const after = accounts.seconds(peer)
        if (before !== null && after !== null) cpuSeconds.set(peer, (cpuSeconds.get(peer) ?? 0) + after - before)
      }
    }
  } finally {
    for (const peer of all) await peer.stop()
  }
  const percentiles = [
    [50, 20],
    [99, 100],
  ] as const
  const cpu = [...cpuSeconds].map(([peer, seconds]) => ({
    who: peer.name,
    value: (seconds * 1000) / (times.get(peer)?.length ?? 1),
  }))
  return [
    ...percentiles.flatMap(([percent, target]) =>
      compare(
        `respawn p${percent}`,
        'ms',
        target,
        all.map((peer) => ({ who: peer.name, value: percentile(times.get(peer) ?? [], percent) })),
      ),
    ),
    // Anything that waits for a program by asking again and again pays for it here.
    ...(cpu.length === 0 ? [] : compare('CPU of a respawn, program and keeper included', 'ms', cpu[1]?.value ?? null, cpu)),
  ]
}

async function killOnce(peer: Peer, bench: ReturnType<typeof openBench>): Promise<number> {
  await sleep(restMs)
  const program = peer.program()
  if (program === null) throw new Error(`${peer.name} runs no program`)
  const back = bench.actions.next(1, 20_000)
  const killedAt = performance.now()
  if (!signalProcess(program, 'SIGKILL')) throw new Error(`${peer.name}'s program was gone before it was killed`)
  return (await back) - killedAt
}
