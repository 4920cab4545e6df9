/**
 * The witness of a schedule that nothing disturbs any more, whatever it has been through: each tick has its run, waits for it, or has been
 * skipped by its policy; and nothing runs that was not due. Ticks that have been waiting since before are due as well, so more runs may
 * begin than ticks come.
 */

import { isCovered } from '../core/cron/spans.ts'
import type { Ledger } from '../core/cron/ledger.ts'
import { isRunSlot, parseSlotId, tickOf } from '../core/model/id.ts'
import type { ServiceName } from '../core/model/id.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { SimulatedMachine } from './machine.ts'
import { ownSlot, usual } from './place.ts'

/** A schedule whose ticks come on the wall's multiples of `everyMs`. */
export interface Watched {
  readonly service: ServiceName
  readonly everyMs: number
  readonly forMs: number
  readonly project?: ProjectId
}

/** Of the longest run that is ended by its timeout, some must begin in any half minute. */
const fewest = 5
/** The longest time between two evaluations of the schedules. */
const patienceMs = 1000

export async function watchTicks(
  machine: SimulatedMachine,
  { service, everyMs, forMs, project = usual }: Watched,
): Promise<{ readonly begun: number; readonly complaint: string | null }> {
  const { kernel, clock } = machine
  const ledger = (): Ledger | undefined => machine.daemon?.named(project).cron.entries.get(service)?.ledger
  const waiting = (): readonly number[] =>
    (ledger()?.runs ?? []).filter(({ phase }) => phase !== 'ended').map(({ tickMs }) => tickMs)
  const slots = [...kernel.runsBegun.keys()]
  const [before, owed, fromMs] = [new Set(slots), new Set(waiting()), ledger()?.anchorMs ?? 0]
  const decided = ledger()?.covered ?? []
  const skipped = new Set<number>()
  // Moment by moment: the ledger tells skips in a row as one, and runs that are over are soon forgotten.
  machine.watch = () => {
    const last = ledger()?.skips.at(-1)
    if (last !== undefined && last.kind !== 'missed') skipped.add(last.toMs)
    for (const { end, tickMs } of ledger()?.runs ?? []) if (end?.kind === 'replaced') skipped.add(tickMs)
  }
  await machine.run(forMs)
  machine.watch = () => {}
  const untilMs = Date.parse(clock.wallTime())
  const begun = [...kernel.runsBegun.keys()]
    .filter((slot) => !before.has(slot) && isRunSlot(slot))
    .filter((slot) => parseSlotId(ownSlot(project, slot) ?? slot).service === service)
    .map((slot) => Date.parse(tickOf(slot)))
  const isDue = (tickMs: number): boolean => tickMs > fromMs && tickMs <= untilMs && tickMs % everyMs === 0
  const foreign = begun.filter((tickMs) => !owed.has(tickMs) && !isDue(tickMs))
  const known = new Set([...begun, ...skipped, ...waiting()])
  const silent: number[] = []
  for (let tickMs = fromMs + everyMs - (fromMs % everyMs); tickMs <= untilMs - patienceMs; tickMs += everyMs)
    if (!known.has(tickMs) && !isCovered(decided, tickMs)) silent.push(tickMs)
  const isWell = begun.length >= fewest && foreign.length === 0 && silent.length === 0
  const told = JSON.stringify({ begun: begun.length, foreign, silent, ledger: ledger() })
  return { begun: begun.length, complaint: isWell ? null : `the schedule went wrong in ${forMs / 1000} s: ${told}` }
}
