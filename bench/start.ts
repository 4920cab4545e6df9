/**
 * From the command to the last of 50 first actions, daemons included; and for us also until `up` says that all are running, and how many
 * starts a second there are with 1,000 programs beside those with 50.
 */

import { compare, median, tellOne, type Row } from './measure.ts'
import { inOrder, openBench, type Bench } from './side-by-side.ts'
import type { Peer } from './peers/peer.ts'

const count = 50
const rounds = 6
const many = 1000
/** Of the rate with 50. */
const leastShare = 0.9

export async function start(): Promise<readonly Row[]> {
  using bench = openBench()
  const times = new Map<string, number[]>()
  const untilTold: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    for (const peer of inOrder<Peer>([bench.daruma(), ...bench.peers()], round)) {
      const { acted, told } = await startOnce(peer, bench, count)
      times.set(peer.name, [...(times.get(peer.name) ?? []), acted])
      if (peer.name.startsWith('daruma')) untilTold.push(told)
    }
  }
  const daruma = bench.daruma()
  const { acted: manyMs } = await startOnce(daruma, bench, many)
  const ours = [...times.keys()].filter((name) => name.startsWith('daruma'))
  const others = [...times.keys()].filter((name) => !name.startsWith('daruma'))
  return [
    ...compare(
      `start of ${count}`,
      'ms',
      2000,
      [...ours, ...others].map((who) => ({ who, value: median(times.get(who) ?? []) })),
    ),
    tellOne(`start of ${many}`, manyMs, 'ms', {
      target: ((many / count) * median(times.get(daruma.name) ?? [])) / leastShare,
      goal: 'at most',
    }),
    // An instance without probes counts as ready when it has lived for 0.5 s: that is in this number.
    ...compare(`start of ${count}, until up has ended`, 'ms', 2000, [{ who: 'daruma', value: median(untilTold) }]),
  ]
}

async function startOnce(peer: Peer, bench: Bench, programs: number): Promise<{ readonly acted: number; readonly told: number }> {
  try {
    const last = bench.actions.next(programs, 300_000)
    const beganAt = performance.now()
    const told = peer.start(programs).then(() => performance.now() - beganAt)
    const acted = (await last) - beganAt
    return { acted, told: await told }
  } finally {
    await peer.stop()
  }
}
