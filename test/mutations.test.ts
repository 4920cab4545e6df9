/**
 * Each promise is broken once, in a copy, and the test that guards it must fail: `npm run mutations` does that, and CI with a sample that
 * is another in each run. What tries them must notice.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { takeSample } from './mutations/sample.ts'
import { mutations } from './mutations/table.ts'
import { tryMutations } from './mutations/try-mutations.ts'

test('a sample is the same for the same seed, another for another, and in time every mutation is in one', () => {
  const take = (seed: string): readonly string[] => takeSample(mutations, { count: 12, seed }).map(({ name }) => name)
  assert.equal(new Set(take('1')).size, 12)
  assert.deepEqual(take('1'), take('1'))
  assert.notDeepEqual(take('1'), take('2'))
  const seen = new Set(Array.from({ length: 200 }, (_, index) => take(String(index))).flat())
  assert.equal(seen.size, mutations.length)
  assert.equal(takeSample(mutations, { count: 10_000, seed: '1' }).length, mutations.length)
})

test('a mutation that breaks nothing survives, and one that cannot run or has no test is not taken for caught', async () => {
  const file = 'src/core/instance/backoff.ts'
  const find = `export function countFailure`
  const known = { file: 'src/core/instance/step.test.ts', test: 'a life longer than resetAfter forgives the failures before it' }
  const base = { rule: 'none', file, find, caughtBy: known }
  const samples = [
    { ...base, name: 'harmless', replace: `// nothing\n${find}` },
    { ...base, name: 'no-program', replace: `}} ${find}` },
    { ...base, name: 'no-such-value', replace: `missingValue()\n${find}` },
    { ...base, name: 'no-such-text', find: 'this text is not there', replace: '' },
    { ...base, name: 'no-such-test', replace: '', caughtBy: { ...known, test: 'no test is called so' } },
  ]
  const verdicts: string[] = []
  for await (const { mutation, state } of tryMutations(samples)) verdicts.push(`${mutation.name} ${state}`)
  assert.deepEqual(verdicts, [
    'harmless survived',
    'no-program broken',
    'no-such-value broken',
    'no-such-text broken',
    'no-such-test broken',
  ])
})
