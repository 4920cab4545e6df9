/**
 * Schedules under fire: services that write their slot into a file as the very first thing they do, and what must be true of that file
 * whatever was killed, stopped, restored or set meanwhile. For tests of schedules and for rounds of faults.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine, Services } from './daemon-harness.ts'
import { until } from './processes.ts'

const fileOf = (machine: Machine): string => join(machine.workshop, 'begun')

/** A schedule of every second whose runs write themselves down, and then do `rest`. */
export function witnessedSchedule(
  machine: Machine,
  over: { readonly rest?: string; readonly schedule?: object } = {},
): Services[string] {
  return {
    command: `echo "$DARUMA_SLOT $DARUMA_EPOCH $DARUMA_REVISION" >>${fileOf(machine)}; ${over.rest ?? 'true'}`,
    schedule: { cron: '* * * * * *', timezone: 'UTC', ...over.schedule },
  }
}

export interface Begun {
  readonly slot: string
  readonly epoch: number
  readonly revision: number
}

/** Every attempt that ever began, in order. */
export function begunRuns(machine: Machine): readonly Begun[] {
  let text = ''
  try {
    text = readFileSync(fileOf(machine), 'utf8')
  } catch {
    // Nothing has begun yet.
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [slot = '', epoch, revision] = line.split(' ')
      return { slot, epoch: Number(epoch), revision: Number(revision) }
    })
}

/** Each tick began at most `attempts` times, and never twice with one epoch. */
export function assertTicksOnce(machine: Machine, attempts: number = 1): void {
  const counts = new Map<string, number>()
  for (const { slot } of begunRuns(machine)) counts.set(slot, (counts.get(slot) ?? 0) + 1)
  const tooOften = [...counts].filter(([, count]) => count > attempts)
  assert.deepEqual(tooOften, [], `ticks that began more than ${attempts} times`)
}

export async function waitForRuns(machine: Machine, count: number, limitMs: number = 30_000): Promise<void> {
  await until(`${count} runs have begun`, limitMs, () => begunRuns(machine).length >= count)
}
