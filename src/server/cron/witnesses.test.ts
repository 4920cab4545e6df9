/** What a host tells of runs that the database has never heard of, because it is older than they are: each is believed, and none begins again. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { formatInstant, parseInstant } from '../../core/cron/instant.ts'
import { isCovered } from '../../core/cron/spans.ts'
import { type AttemptReport, reportSlot, type SlotReport } from '../../core/instance/report.ts'
import { newSlot } from '../../core/instance/slot.ts'
import { asEpoch, asServiceName, type SlotId } from '../../core/model/id.ts'
import { SimulatedClock } from '../../sim/clock.ts'
import { createMemoryStore } from '../../sim/store.ts'
import type { World } from '../world/world.ts'
import type { Run } from '../../core/cron/ledger.ts'
import { loadLedgers } from './load-ledgers.ts'
import { RunSlots } from './runs.ts'

const tickMs = parseInstant('2026-11-22T03:00:00Z')
const slot = `report/${formatInstant(tickMs)}` as SlotId
const epoch = asEpoch(1_000_001)

/** A run that was committed; nothing lives in its slot. */
const committed: AttemptReport = {
  epoch,
  number: 1,
  revision: 3,
  began: 'unknown',
  startedAt: null,
  livedMs: null,
  durationMs: null,
  exit: null,
}

function reportOf(attempt: AttemptReport): SlotReport {
  const nothing = { order: null, port: null, isServing: false, isPresumed: false, isAdopted: false, completed: null, gap: null }
  return reportSlot(newSlot(slot, epoch, { kind: 'stopped', because: 'test' }), { nowMs: 0, ...nothing, attempt })
}

/** Whether an empty database, with this report, lets the tick begin. */
async function mayBegin(attempt: AttemptReport): Promise<boolean> {
  const directory = { readFile: async () => null } as never
  const tools = { store: createMemoryStore(), directory, wallMs: tickMs + 1000 }
  const { ledgers } = await loadLedgers(tools, new Map([[slot, reportOf(attempt)]]))
  const ledger = ledgers.get(asServiceName('report'))
  const run = ledger?.runs.find((each) => each.tickMs === tickMs)
  assert.equal(run?.phase ?? null, run === undefined ? null : 'under-way')
  return run === undefined || ledger === undefined || !isCovered(ledger.covered, tickMs)
}

const exit = { kind: 'code', code: 0 } as const

describe('A run that only its slot tells of', () => {
  test('is entered, and its tick covered, whatever of it is known: its end, its beginning, or its commit alone', async () => {
    assert.equal(await mayBegin(committed), false)
    assert.equal(await mayBegin({ ...committed, began: 'yes' }), false)
    assert.equal(await mayBegin({ ...committed, began: 'yes', exit }), false)
    assert.equal(await mayBegin({ ...committed, began: 'no' }), true, 'nothing of it ran, and nothing ever will')
  })

  test('ends by what its slot says, and is lost where that says no more than that it may have begun', () => {
    const endOf = (attempt: AttemptReport): ReturnType<RunSlots['endOf']> => {
      const world = { assignments: new Map(), reports: new Map([[slot, reportOf(attempt)]]) } as unknown as World
      const runs = new RunSlots({ world, assignments: null as never, clock: new SimulatedClock() })
      return runs.endOf(slot, { afterEpoch: null } as Run)
    }
    assert.deepEqual(endOf({ ...committed, began: 'yes', exit }), { kind: 'exit', exit, epoch, durationMs: null })
    assert.deepEqual(endOf({ ...committed, began: 'yes' }), { kind: 'lost', epoch })
    assert.deepEqual(endOf(committed), { kind: 'lost', epoch })
    assert.equal(endOf({ ...committed, began: 'no' }), null)
  })
})
