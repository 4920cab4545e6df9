import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { renderReference } from './reference.ts'

test('docs/reference/commands.md is what the command tree says (node scripts/docs-commands.ts)', () => {
  assert.equal(readFileSync(new URL('../../../docs/reference/commands.md', import.meta.url), 'utf8'), renderReference())
})
