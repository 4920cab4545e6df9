/** What `npm test` begins with, and what it says of the time at its end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slowest, slowestFirst, formatSlowest } from '../../scripts/slow-files.ts'
import { filesBelow } from '../../scripts/tree.ts'

test('the slow files come first, in their order, and no file is left out or run twice', () => {
  const all = ['src', 'test'].flatMap((folder) => filesBelow(folder, (name) => name.endsWith('.test.ts')))
  assert.ok(all.length > 200, `only ${all.length} files were looked at`)
  const ordered = slowestFirst(all)
  // One that was renamed would silently run last.
  assert.deepEqual(ordered.slice(0, slowest.length), slowest)
  assert.deepEqual(ordered.toSorted(), all.toSorted())
  const chosen = ['src/core/cron/cron.test.ts', ...slowest.slice(1, 3).toReversed()]
  assert.deepEqual(slowestFirst(chosen), [...slowest.slice(1, 3), 'src/core/cron/cron.test.ts'])
})

test('ten files are named, the slowest first', () => {
  const times = Array.from({ length: 12 }, (_, index) => ({ file: `${index}.test.ts`, seconds: index }))
  const lines = formatSlowest(times).split('\n')
  assert.equal(lines.length, 11)
  assert.match(lines[1] ?? '', /^ +11\.0 s {2}11\.test\.ts$/)
})
