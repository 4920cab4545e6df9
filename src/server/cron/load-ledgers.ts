/**
 * The ledgers as a new daemon finds them: what the database says, the watermark file beside it, and the slots themselves, which are
 * believed before either. A database that is older than what happened (a restored copy) has not heard of runs that began; the epoch file of
 * each is the last witness, and what ever began is not begun again.
 */

import { cover, isCovered, unite } from '../../core/cron/spans.ts'
import type { Span } from '../../core/cron/spans.ts'
import { parseInstant } from '../../core/cron/instant.ts'
import { newLedger, withRun } from '../../core/cron/ledger.ts'
import type { Ledger, Run } from '../../core/cron/ledger.ts'
import type { AttemptReport, SlotReport } from '../../core/instance/report.ts'
import type { SlotId } from '../../core/model/id.ts'
import { asRevisionNumber, asServiceName, isRunSlot, parseSlotId, tickOf } from '../../core/model/id.ts'
import type { ServiceName } from '../../core/model/id.ts'
import type { StateDirectory } from '../../ports/storage/state-directory.ts'
import type { Store } from '../../ports/storage/store.ts'
import { slotOf } from './entry.ts'
import type { ScheduleRecord } from './entry.ts'
import { listRecords } from '../../ports/storage/json-records.ts'

/** Spans by service, outside the database: a database that is put back must not forget the ticks whose slots were forgotten. */
export const watermarkFile: string = 'ticks.json'

export type Watermarks = Readonly<Record<string, readonly Span[]>>

export interface LoadedLedgers {
  readonly ledgers: ReadonlyMap<ServiceName, Ledger>
  /** As the store has them. */
  readonly written: ReadonlyMap<ServiceName, Ledger>
  readonly forgotten: ReadonlyMap<ServiceName, readonly Span[]>
}

export interface LoadLedgersTools {
  readonly store: Store
  readonly directory: StateDirectory
  readonly wallMs: number
}

/** `reports`: everything that the host has; what it does not report never began, or was forgotten. */
export async function loadLedgers(tools: LoadLedgersTools, reports: ReadonlyMap<SlotId, SlotReport>): Promise<LoadedLedgers> {
  const written = await readLedgers(tools.store)
  const ledgers = new Map(written)
  const marks = await readWatermarks(tools.directory, written)
  const forgotten = new Map<ServiceName, readonly Span[]>()
  for (const [name, spans] of Object.entries(marks)) {
    const service = asServiceName(name)
    const ledger = ledgers.get(service) ?? newLedger(service, '', tools.wallMs)
    ledgers.set(service, withoutForgotten(ledger, spans, reports))
    forgotten.set(service, spans)
  }
  for (const slot of [...reports.keys()].filter(isRunSlot).toSorted(byName)) {
    const report = reports.get(slot)
    const { service } = parseSlotId(slot)
    const ledger = ledgers.get(service) ?? newLedger(service, '', tools.wallMs)
    const attempt = report?.attempt ?? null
    const witnessed = attempt === null ? null : witness(ledger, slot, { attempt, isRunning: (report?.occupant ?? null) !== null })
    if (witnessed !== null) ledgers.set(service, witnessed)
  }
  return { ledgers, written, forgotten }
}

const byName = (left: string, right: string): number => (left < right ? -1 : 1)

export async function readLedgers(store: Store): Promise<ReadonlyMap<ServiceName, Ledger>> {
  const runs = new Map<ServiceName, Run[]>()
  for (const { key, record } of await listRecords<Run>(store, 'run/')) {
    const { service } = parseSlotId(key.slice('run/'.length) as SlotId)
    const list = runs.get(service)
    if (list === undefined) runs.set(service, [record])
    else list.push(record)
  }
  const ledgers = new Map<ServiceName, Ledger>()
  for (const { key, record } of await listRecords<ScheduleRecord>(store, 'schedule/')) {
    const service = asServiceName(key.slice('schedule/'.length))
    const own = (runs.get(service) ?? []).toSorted((a, b) => a.number - b.number)
    ledgers.set(service, { ...record, service, runs: own })
  }
  return ledgers
}

/**
 * Read once, by a daemon that begins: from then on the books know them, and nothing is written over what could not be read. Throws where
 * the file is there and cannot be read. One that is no JSON is put aside; the ledgers tell what their database knows.
 */
async function readWatermarks(directory: StateDirectory, ledgers: ReadonlyMap<ServiceName, Ledger>): Promise<Watermarks> {
  const text = await directory.readFile(watermarkFile)
  if (text === null) return {}
  try {
    return JSON.parse(text) as Watermarks
  } catch {
    await directory.writeFile(`${watermarkFile}.unreadable`, text)
    return Object.fromEntries([...ledgers].map(([service, { covered }]) => [service, covered]))
  }
}

/** The ledger with what the run's slot shows that it does not know; null when that is nothing. How an attempt ended is read later. */
function witness(
  ledger: Ledger,
  slot: SlotId,
  { attempt, isRunning }: { readonly attempt: AttemptReport; readonly isRunning: boolean },
): Ledger | null {
  const tickMs = parseInstant(tickOf(slot))
  const known = ledger.runs.find((run) => run.tickMs === tickMs) ?? null
  if (attempt.epoch <= (known?.afterEpoch ?? 0) || (known?.phase === 'ended' && !isRunning)) return null
  // Nothing of it ran, and nothing ever will: as if it had not been tried. After a reboot that cannot be told: the note of a beginning may be lost.
  const isOpen = !isRunning && attempt.began === 'no'
  if (isOpen && Math.max(1, attempt.number) <= Math.max(1, known?.attempt ?? 1)) return null
  const [withIt, run] = known === null ? enter(ledger, slot, tickMs, attempt) : [ledger, known]
  const begun: Run = {
    ...run,
    phase: 'under-way',
    // The note beside the slot names the attempt too: an older database must not grant those that were made a second time.
    attempt: Math.max(1, run.attempt, attempt.number),
    revision: run.revision > 0 ? run.revision : asRevisionNumber(attempt.revision),
    endedAt: null,
    end: null,
  }
  return withRun(withIt, begun)
}

/** A run that was over and forgotten when the database that is here now did not know of its end. */
function withoutForgotten(ledger: Ledger, spans: readonly Span[], seen: ReadonlyMap<SlotId, SlotReport>): Ledger {
  const end = { kind: 'lost', exit: null, message: 'it was over before this database was put back' } as const
  const runs = ledger.runs.map((run): Run => {
    const isOver = run.phase !== 'ended' && isCovered(spans, run.tickMs) && !seen.has(slotOf(ledger.service, run))
    return isOver ? { ...run, phase: 'ended', end } : run
  })
  return { ...ledger, covered: unite(ledger.covered, spans), runs }
}

/** A run that the database has never heard of. */
function enter(ledger: Ledger, slot: SlotId, tickMs: number, attempt: AttemptReport): readonly [Ledger, Run] {
  const isByHand = tickOf(slot).includes('.')
  const run: Run = {
    number: ledger.lastNumber + 1,
    tickMs,
    by: isByHand ? 'hand' : 'schedule',
    isLate: false,
    phase: 'under-way',
    attempt: 1,
    afterEpoch: null,
    revision: asRevisionNumber(0),
    ask: null,
    startedAt: attempt.startedAt,
    endedAt: null,
    durationMs: null,
    end: null,
  }
  const covered = isByHand ? ledger.covered : cover(ledger.covered, tickMs, null)
  return [{ ...ledger, covered, lastNumber: run.number, runs: [...ledger.runs, run] }, run]
}
