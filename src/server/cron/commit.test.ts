import assert from 'node:assert/strict'
import { test } from 'node:test'
import { admit } from '../../core/cron/admit.ts'
import { newLedger } from '../../core/cron/ledger.ts'
import { asServiceName } from '../../core/model/id.ts'
import { createMemoryStore } from '../../sim/store.ts'
import { newEntry } from './entry.ts'
import type { CronEntry } from './entry.ts'
import { commitDecisions } from './commit.ts'
import type { Decided } from './commit.ts'
import { isDue } from './prune.ts'

function anEntry(name: string): CronEntry {
  const service = asServiceName(name)
  const ledger = newLedger(service, '* * * * * UTC', 0)
  return { ...newEntry({ service, ledger, written: null, forgotten: [] }), isDirty: false }
}

/** A decision that lets one run in. */
const decided = (entry: CronEntry, answers: string[]): Decided => ({
  entry,
  after: admit(entry.ledger, 'forbid', { tickMs: 60_000, by: 'schedule', isLate: false }).ledger,
  answer: (error) => void answers.push(`${entry.service} ${error === null ? 'is durable' : error.message}`),
})

test('a schedule whose run cannot be acted upon hinders no other, and nothing of it is written down a second time', async () => {
  const store = createMemoryStore()
  const entries = ['first', 'second'].map(anEntry)
  const answers: string[] = []
  const decisions = entries.map((entry) => decided(entry, answers))
  const acted: string[] = []
  let isBroken = true
  const act = async (entry: CronEntry, after: CronEntry['ledger']): Promise<void> => {
    entry.ledger = after
    if (isBroken && entry.service === 'first') throw new Error('its revision cannot be read')
    acted.push(entry.service)
  }
  await assert.rejects(commitDecisions({ store, checkpoint: null, act }, decisions, 0), /cannot be read/)
  assert.deepEqual(acted, ['second'])
  assert.deepEqual(answers, ['first is durable', 'second is durable'])
  assert.deepEqual(
    entries.map(({ isDirty }) => isDirty),
    [true, false],
  )
  isBroken = false
  const again = entries.map((entry) => ({ entry, after: entry.ledger, answer: (): void => {} }))
  await commitDecisions({ store, checkpoint: null, act }, again, 0)
  assert.deepEqual(acted, ['second', 'first', 'second'])
})

test('runs beyond those that are kept wait while others are being started, but not for ever', () => {
  const entry = anEntry('tick')
  const [run] = decided(entry, []).after.runs
  assert.ok(run)
  const surplus = (count: number): Parameters<typeof isDue>[0] => [{ entry, runs: Array.from({ length: count }, () => run) }]
  assert.deepEqual(
    [isDue([], false), isDue(surplus(1), false), isDue(surplus(1), true), isDue(surplus(2000), true)],
    [false, true, false, true],
  )
})
