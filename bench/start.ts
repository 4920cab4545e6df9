/** From the command to the last of 50 first actions, daemons included; and for us also until `up` says that all are running. */

import { compare, median, type Row } from './measure.ts'
import { inOrder, openBench, type Bench } from './side-by-side.ts'
import type { Peer } from './peers/peer.ts'

const count = 50
const rounds = 6

export async function start(): Promise<readonly Row[]> {
  using bench = openBench()
  const times = new Map<string, number[]>()
  const untilTold: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    for (const peer of inOrder<Peer>([bench.daruma(), ...bench.peers()], round)) {
      const { acted, told } = await startOnce(peer, bench)
      times.set(peer.name, [...(times.get(peer.name) ?? []), acted])
      if (peer.name.startsWith('daruma')) untilTold.push(told)
    }
  }
  const ours = [...times.keys()].filter((name) => name.startsWith('daruma'))
  const others = [...times.keys()].filter((name) => !name.startsWith('daruma'))
  return [
    ...compare(
      `start of ${count}`,
      'ms',
      2000,
      [...ours, ...others].map((who) => ({ who, value: median(times.get(who) ?? []) })),
    ),
    // An instance without probes counts as ready when it has lived for 0.5 s: that is in this number.
    ...compare(`start of ${count}, until up has ended`, 'ms', 2000, [{ who: 'daruma', value: median(untilTold) }]),
  ]
}

async function startOnce(peer: Peer, bench: Bench): Promise<{ readonly acted: number; readonly told: number }> {
  try {
    const last = bench.actions.next(count, 60_000)
    const beganAt = performance.now()
    const told = peer.start(count).then(() => performance.now() - beganAt)
    const acted = (await last) - beganAt
    return { acted, told: await told }
  } finally {
    await peer.stop()
  }
}
