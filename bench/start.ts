/**
 * From the command to the last of 50 first actions, daemons included; and for us also until `up` says that all are running, and how many
 * starts a second there are with 1,000 programs beside those with 50.
 */

import { compare, median, reportOne, type Row } from './measure.ts'
import { inOrder, openBench, type Bench } from './side-by-side.ts'
import { CpuAccounts } from './cpu-accounts.ts'
import type { Peer } from './peers/peer.ts'

const count = 50
const rounds = 6
const many = 1000
/** Of the rate with 50. */
const leastShare = 0.9

export async function start(): Promise<readonly Row[]> {
  using bench = openBench()
  using accounts = new CpuAccounts()
  const times = new Map<string, number[]>()
  const cpu = new Map<string, number[]>()
  const untilTold: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    for (const peer of inOrder<Peer>([bench.daruma(), ...bench.peers()], round)) {
      const { acted, told, cpuSeconds } = await startOnce(peer, { bench, accounts }, count)
      if (cpuSeconds !== null) cpu.set(peer.name, [...(cpu.get(peer.name) ?? []), cpuSeconds])
      times.set(peer.name, [...(times.get(peer.name) ?? []), acted])
      if (peer.name.startsWith('daruma')) untilTold.push(told)
    }
  }
  const daruma = bench.daruma()
  const { acted: manyMs } = await startOnce(daruma, { bench, accounts }, many)
  const cpuOf = (who: string): number => median(cpu.get(who) ?? [])
  const ours = [...times.keys()].filter((name) => name.startsWith('daruma'))
  const others = [...times.keys()].filter((name) => !name.startsWith('daruma'))
  return [
    ...compare(
      `start of ${count}`,
      'ms',
      2000,
      [...ours, ...others].map((who) => ({ who, value: median(times.get(who) ?? []) })),
    ),
    ...(cpu.size === 0
      ? []
      : compare(
          `CPU of a start of ${count}, until the last has acted`,
          's',
          others[0] === undefined ? null : cpuOf(others[0]),
          [...ours, ...others].map((who) => ({ who, value: cpuOf(who) })),
        )),
    reportOne(`start of ${many}`, manyMs, 'ms', {
      target: ((many / count) * median(times.get(daruma.name) ?? [])) / leastShare,
      goal: 'at most',
    }),
    // An instance without probes counts as ready when it has lived for 0.5 s: that is in this number.
    ...compare(`start of ${count}, until up has ended`, 'ms', 2000, [{ who: 'daruma', value: median(untilTold) }]),
  ]
}

async function startOnce(
  peer: Peer,
  { bench, accounts }: { readonly bench: Bench; readonly accounts: CpuAccounts },
  programs: number,
): Promise<{ readonly acted: number; readonly told: number; readonly cpuSeconds: number | null }> {
  try {
    const last = bench.actions.next(programs, 300_000)
    const before = accounts.seconds(peer) ?? 0
    const beganAt = performance.now()
    const told = accounts.during(peer, () => peer.start(programs)).then(() => performance.now() - beganAt)
    const acted = (await last) - beganAt
    const after = accounts.seconds(peer)
    return { acted, told: await told, cpuSeconds: after === null ? null : after - before }
  } finally {
    await peer.stop()
  }
}
