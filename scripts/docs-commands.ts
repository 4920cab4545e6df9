/** Writes `docs/reference/commands.md` from the command tree; with `--check` only says whether it is up to date. */

import { readFileSync, writeFileSync } from 'node:fs'

import { renderReference } from '../src/cli/tree/reference.ts'

const path = new URL('../docs/reference/commands.md', import.meta.url)
const wanted = renderReference()
if (process.argv.includes('--check')) {
  const isFresh = readFileSync(path, 'utf8') === wanted
  if (!isFresh) console.error('docs/reference/commands.md is stale: node scripts/docs-commands.ts')
  process.exitCode = isFresh ? 0 : 1
} else {
  writeFileSync(path, wanted)
}
