import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { web } from '../../test/support/runtime-bed.ts'
import { type SlotPaths, ensureSlot, slotPaths, writeNumber } from './slot-files.ts'
import { readSlotLog } from './slot-log.ts'

function openSlot(t: TestContext, content: string | Buffer): SlotPaths {
  const state = mkdtempSync(join(tmpdir(), 'daruma-bed-'))
  t.after(() => rmSync(state, { recursive: true, force: true }))
  const paths = slotPaths(state, web)
  ensureSlot(paths, 1 << 24)
  writeFileSync(paths.log, content)
  return paths
}

test('the last lines are the last lines, however many there are', async (t) => {
  const paths = openSlot(t, 'one\ntwo\nthree\n')
  assert.deepEqual(await readSlotLog(paths, { lines: 2 }, 1000), { text: 'two\nthree\n', next: 14 })
  assert.deepEqual(await readSlotLog(paths, { lines: 9 }, 1000), { text: 'one\ntwo\nthree\n', next: 14 })
  assert.deepEqual(await readSlotLog(paths, { lines: 0 }, 1000), { text: '', next: 14 })
  assert.deepEqual(await readSlotLog(paths, { lines: 9 }, 8), { text: 'three\n', next: 14 })
})

test('a last line without its end counts as a line', async (t) => {
  const paths = openSlot(t, 'one\ntwo\nthr')
  assert.deepEqual(await readSlotLog(paths, { lines: 1 }, 1000), { text: 'thr', next: 11 })
})

test('following from chunk to chunk gives every byte once and never half a character', async (t) => {
  const text = 'aé達磨🎎\n'.repeat(500)
  const paths = openSlot(t, text)
  for (const size of [4, 7, 64, 100_000]) {
    let seen = ''
    for (let offset = 0, next = -1; next !== offset;) {
      if (next >= 0) offset = next
      const chunk = await readSlotLog(paths, { offset }, size)
      seen += chunk.text
      next = chunk.next
    }
    assert.equal(seen, text)
  }
})

test('bytes that are no UTF-8 do not stop a reader', async (t) => {
  const paths = openSlot(t, Buffer.from([0xff, 0xfe, 0x41, 0x80, 0x80, 0x80, 0x80]))
  assert.equal((await readSlotLog(paths, { offset: 0 }, 1000)).next, 7)
})

test('what was punched away is skipped, with the line that it cut', async (t) => {
  const line = `${'x'.repeat(99)}\n`
  const paths = openSlot(t, line.repeat(100))
  writeNumber(paths.logHead, 4096)
  assert.deepEqual(await readSlotLog(paths, { offset: 0 }, 200), { text: line.repeat(2), next: 4300 })
  assert.equal((await readSlotLog(paths, { lines: 1000 }, 100_000)).text, line.repeat(59))
})

test('a log of many gigabytes, nearly all of it a hole, costs no more than its end', async (t) => {
  const paths = openSlot(t, '')
  truncateSync(paths.log, 8 * 2 ** 30)
  writeFileSync(paths.log, 'end\nof it\n', { flag: 'a' })
  writeNumber(paths.logHead, 8 * 2 ** 30 - 4096)
  const began = performance.now()
  assert.deepEqual(await readSlotLog(paths, { lines: 1 }, 1 << 20), { text: 'of it\n', next: 8 * 2 ** 30 + 10 })
  assert.ok(performance.now() - began < 2000)
})

test('a slot that never ran has an empty log, and an offset beyond the end is brought back', async (t) => {
  const paths = openSlot(t, 'abc\n')
  assert.deepEqual(await readSlotLog(paths, { offset: 1000 }, 10), { text: '', next: 4 })
  rmSync(paths.log)
  assert.deepEqual(await readSlotLog(paths, { lines: 5 }, 10), { text: '', next: 0 })
})

test('a log that somebody has emptied or removed is read from its own beginning, whatever was punched away of the one before', async (t) => {
  const paths = openSlot(t, 'x'.repeat(10_000))
  writeNumber(paths.logHead, 8192)
  truncateSync(paths.log)
  writeFileSync(paths.log, 'one\ntwo\n')
  assert.deepEqual(await readSlotLog(paths, { lines: 5 }, 1000), { text: 'one\ntwo\n', next: 8 })
  rmSync(paths.log)
  ensureSlot(paths, 1 << 24)
  writeFileSync(paths.log, `${'y'.repeat(99)}\n`.repeat(100))
  assert.equal((await readSlotLog(paths, { offset: 0 }, 100_000)).text.length, 10_000)
})
