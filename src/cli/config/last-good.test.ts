import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { RevisionSummary } from '../../protocol/api.ts'
import { lastGoodRevision } from './last-good.ts'

/** Oldest first, as `cause` or `cause!` for one that failed; the last good one applies. */
function history(...causes: readonly string[]): readonly RevisionSummary[] {
  const states = causes.map((cause) => (cause.endsWith('!') ? 'failed' : 'superseded'))
  states[states.lastIndexOf('superseded')] = 'applied' as never
  return causes
    .map((cause, index) => ({
      number: index + 1,
      createdAt: '',
      by: 'ada',
      cause: cause.replace('!', ''),
      state: states[index] as RevisionSummary['state'],
      summary: '',
    }))
    .toReversed()
}

const target = (...causes: readonly string[]): number | null => lastGoodRevision(history(...causes))?.number ?? null

test('a rollback without a number goes to the last revision before that became healthy', () => {
  assert.equal(target('up', 'up', 'up'), 2)
  assert.equal(target('up', 'up!', 'up'), 1, 'one that failed is none')
  assert.equal(target('up', 'up', 'up!'), 1, 'what applies is 2')
  assert.equal(target('up', 'down', 'up'), 1, 'nothing at all is not what is meant')
  assert.equal(target('up', 'scale web=3'), 1)
})

test('after a rollback the next one goes further back, never to what was rolled back from', () => {
  assert.equal(target('up', 'up', 'up', 'rollback to 2'), 1)
  assert.equal(target('up', 'up', 'up', 'up', 'rollback to 2'), 1, 'what was skipped stays skipped')
  assert.equal(target('up', 'up', 'rollback to 1', 'up'), 3, 'the revision before is the one that was returned to')
  assert.equal(target('up', 'up', 'up', 'rollback to 2', 'rollback to 1'), null)
})

test('where nothing was good before, there is nothing to go back to', () => {
  assert.equal(target('up'), null)
  assert.equal(target('up!', 'up'), null)
  assert.equal(target('up!'), null)
})
