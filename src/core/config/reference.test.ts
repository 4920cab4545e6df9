import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { renderConfigReference } from './reference.ts'

test('docs/reference/config.md is what the key tables say (else: node scripts/docs.ts)', () => {
  assert.equal(readFileSync(new URL('../../../docs/reference/config.md', import.meta.url), 'utf8'), renderConfigReference())
})
