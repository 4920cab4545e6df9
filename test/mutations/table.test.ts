/** Each row of the table still has its place in the sources, and its test. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { mutate, type Mutation } from './mutation.ts'
import { mutations } from './table.ts'

const root = join(import.meta.dirname, '../..')

test('every mutation has a name of its own, its text in the sources, and its test in the tests', () => {
  assert.equal(new Set(mutations.map(({ name }) => name)).size, mutations.length)
  assert.deepEqual(mutations.flatMap(staleIn), [])
})

function staleIn(mutation: Mutation): readonly string[] {
  const { file, test: name } = mutation.caughtBy
  const isThere = textsOf(file).some((text) => hasTest(text, name))
  const stale = isThere ? [] : [`${mutation.name}: ${file} has no test "${name}"`]
  try {
    mutate(read(mutation.file), mutation)
    return stale
  } catch (error) {
    return [...stale, `${mutation.name}: ${String(error)}`]
  }
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** A test file, and the contracts that it imports its tests from. */
function textsOf(path: string): readonly string[] {
  const text = read(path)
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
