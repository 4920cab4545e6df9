import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findOwnership, type AppliedProject } from './ownership.ts'

const config = { id: 'shop', stage: null, file: '/a/daruma.config.ts' }
const applied = (id: string, file: string | null, more: Partial<AppliedProject> = {}): AppliedProject => ({
  id,
  stage: null,
  file,
  holds: true,
  ...more,
})

test('a config that was applied under another name is no new project', () => {
  const former = applied('store', config.file)
  const other = applied('blog', '/b/daruma.config.ts')
  assert.deepEqual(findOwnership(config, [former, other]), { kind: 'renamed', from: [former] })
})

test('a name that comes from another folder is not simply taken', () => {
  const project = applied('shop', '/b/daruma.config.ts')
  assert.deepEqual(findOwnership(config, [project]), { kind: 'elsewhere', project })
})

test('what is its own, or takes nothing from anybody, needs no question', () => {
  const own = applied('shop', config.file)
  const both = [own, applied('store', config.file)]
  const pipe = applied('shop', null)
  const empty = applied('shop', '/b/daruma.config.ts', { holds: false })
  for (const projects of [[own], both, [pipe], [empty]]) assert.deepEqual(findOwnership(config, projects), { kind: 'own' })
})

test('a new project is one of whose file nothing is there: not of this stage, or nothing that could be lost', () => {
  const stage = applied('shop_staging', config.file, { stage: 'staging' })
  const gone = applied('store', config.file, { holds: false })
  for (const projects of [[], [stage], [gone]]) assert.deepEqual(findOwnership(config, projects), { kind: 'new' })
})
