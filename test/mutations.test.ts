/**
 * Each promise is broken once, in a copy, and the test that guards it must fail: `npm run mutations` does that, and CI with a sample that
 * is another in each run. Here all must at least still have their place in the sources, and what tries them must notice.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from './mutations/copy.ts'
import { mutate } from './mutations/mutation.ts'
import { takeSample } from './mutations/sample.ts'
import { mutations } from './mutations/table.ts'
import { tryMutations } from './mutations/try-mutations.ts'

test('every mutation has a name of its own, its text in the sources, and its test in the tests', () => {
  assert.equal(new Set(mutations.map(({ name }) => name)).size, mutations.length)
  const read = (path: string): string => readFileSync(join(root, path), 'utf8')
  for (const mutation of mutations) {
    const source = read(mutation.file)
    assert.notEqual(mutate(source, mutation), source, mutation.name)
    const { file, test: name } = mutation.caughtBy
    assert.ok(
      textsOf(file).some((text) => hasTest(text, name)),
      `${mutation.name}: ${file} has no test "${name}"`,
    )
  }
})

/** A test file, and the contracts that it imports its tests from. */
function textsOf(path: string): readonly string[] {
  const text = readFileSync(join(root, path), 'utf8')
  const contracts = [...text.matchAll(/from '(\.[^']*contract[^']*)'/g)].map(([, name = '']) => join(path, '..', name))
  return [text, ...contracts.flatMap(textsOf)]
}

/** As it stands, or made of a template: `v2: …` of `${name}: …`. */
function hasTest(text: string, name: string): boolean {
  const literals = [name, name.replaceAll('\\', '\\\\'), name.replaceAll("'", "\\'")]
  if (literals.some((literal) => text.includes(literal))) return true
  return [...text.matchAll(/`([^`]*\$\{[^`]*)`/g)].some(([, template = '']) => {
    const parts = template.split(/\$\{[^}]*\}/)
    return parts.join('').length > leastTemplate && isMadeOf(name, parts)
  })
}

/** Shorter ones, such as `${name} x`, would fit nearly everything. */
const leastTemplate = 10

function isMadeOf(name: string, parts: readonly string[]): boolean {
  const escaped = parts.map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`))
  return new RegExp(`^${escaped.join('.*')}$`, 's').test(name)
}

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
