import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { syncTogether } from './sync-together.ts'

test('who comes while a sync is under way waits for the next one, together with everybody else who does', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sync-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const ended: string[] = []
  const first = syncTogether(directory).then(() => ended.push('first'))
  const second = syncTogether(directory)
  const third = syncTogether(directory)
  assert.equal(second, third, 'they share one')
  assert.notEqual(first, second)
  const late = second.then(() => ended.push('second'))
  await first
  // The second has begun by now or soon; who comes now must not be told that it was in time.
  const fourth = syncTogether(directory)
  await Promise.all([late, fourth])
  assert.deepEqual(ended, ['first', 'second'])
  await syncTogether(directory)
})

test('a directory that is not there is told to everybody who asked, and hinders nobody later', async (t) => {
  const directory = join(mkdtempSync(join(tmpdir(), 'sync-')), 'missing')
  t.after(() => rmSync(join(directory, '..'), { recursive: true }))
  const results = await Promise.allSettled([syncTogether(directory), syncTogether(directory)])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  await assert.rejects(syncTogether(directory), { code: 'ENOENT' })
})
