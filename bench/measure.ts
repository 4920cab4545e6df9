/** Rows and the few numbers made of many. A row is one line of the table, and one JSON object of `--json`. */

import { readFileSync } from 'node:fs'
import type { ProcessId } from '../test/processes.ts'

export interface Row {
  readonly name: string
  readonly value: number
  readonly unit: 'ms' | 'MB' | '%' | 'requests' | 'requests/s' | 'runs' | 'kB' | 's' | 'lines'
  /** What we want to stay below, or as `goal` says; null for a peer's row and for what is only told. */
  readonly target: number | null
  readonly met: boolean | null
  /** The peer, whose own value is in its own row. */
  readonly against: string | null
  /** The peer's value by ours (of a rate: ours by the peer's): above 1 we are better. */
  readonly ratio: number | null
  /** `below` where nothing is said. */
  readonly goal?: 'below' | 'at least' | 'at most'
}

export interface Sample {
  readonly who: string
  readonly value: number
}

/** Our row with each peer's beside it; the first sample is ours. */
export function compare(name: string, unit: Row['unit'], target: number | null, samples: readonly Sample[]): Row[] {
  return sideBySide(name, unit, samples, (value) => ({ target, met: target === null ? null : value < target }))
}

/** The same for what should be large, requests a second. The target is the share of the first peer's rate that ours must reach. */
export function compareRates(name: string, share: number | null, samples: readonly Sample[]): Row[] {
  const peer = samples[1]?.value
  const target = share === null || peer === undefined ? null : share * peer
  return sideBySide(name, 'requests/s', samples, (value) => ({
    target,
    met: target === null ? null : value >= target,
    ...(target === null ? {} : { goal: 'at least' as const }),
  }))
}

function sideBySide(
  name: string,
  unit: Row['unit'],
  samples: readonly Sample[],
  judge: (value: number) => Pick<Row, 'target' | 'met' | 'goal'>,
): Row[] {
  const [ours, ...peers] = samples
  if (ours === undefined) throw new Error(`${name} was not measured`)
  const base = { name, value: ours.value, unit, ...judge(ours.value) }
  const ratio = (value: number): number => (unit === 'requests/s' ? ours.value / value : value / ours.value)
  const own: Row[] =
    peers.length === 0
      ? [{ ...base, against: null, ratio: null }]
      : peers.map(({ who, value }) => ({ ...base, against: who, ratio: ratio(value) }))
  const theirs = { unit, target: null, met: null, against: null, ratio: null }
  return [...own, ...peers.map(({ who, value }): Row => ({ ...theirs, name: `${name} (${who})`, value }))]
}

/** One value of ours that has no peer. */
export function reportOne(
  name: string,
  value: number,
  unit: Row['unit'],
  aim: { readonly target: number; readonly goal: NonNullable<Row['goal']> } | null,
): Row {
  const row = { name, value, unit, against: null, ratio: null } as const
  if (aim === null) return { ...row, target: null, met: null }
  const { target, goal } = aim
  const met = goal === 'below' ? value < target : goal === 'at most' ? value <= target : value >= target
  return { ...row, target, met, goal }
}

/** `percent` of the values are at or below it: nearest rank. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const found = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]
  if (found === undefined) throw new Error('no values')
  return found
}

export const median = (values: readonly number[]): number => percentile(values, 50)

/** In MB. */
export interface Memory {
  /** Counts the pages of a program and of the C library again for each process that has touched them. */
  readonly resident: number
  /** Counts them once, in shares. */
  readonly proportional: number
  /** What belongs to no file: nobody else has it, and it cannot be read from the disk again. */
  readonly anonymous: number
}

export function memoryOf(processes: readonly ProcessId[]): Memory {
  let [resident, proportional, anonymous] = [0, 0, 0]
  for (const { pid } of processes) {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
    const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0) / 1000
    resident += read('Rss')
    proportional += read('Pss')
    anonymous += read('Anonymous')
  }
  return { resident, proportional, anonymous }
}

/** User and system time of the processes, with that of the children they have waited for. */
export function cpuSecondsOf(processes: readonly ProcessId[]): number {
  const ticks = processes.map(({ pid }) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0)
  })
  return ticks.reduce((sum, each) => sum + each, 0) / 100
}
