import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { asEpoch, asServiceName, slotId } from '../core/model/id.ts'
import { ensureSlot, epochDirectory, makeEpochDirectory, readExit, slotPaths, writeEpochFiles, writeExit } from './slot-files.ts'
import { findStopUnderWay, readStopNote, withStopNote } from './stop-note.ts'

const slot = slotId(asServiceName('web'), 0)
const files = { directory: '/', user: null, namespaces: true, note: '{}' }
const asked = { signal: 'SIGINT', to: 'all', stop: { graceMs: 60_000, isAtFault: true } } as const

test('a stop is noted before its signal and after it, beside what a keeper writes, and gone with its epoch', async (t) => {
  const state = mkdtempSync(join(tmpdir(), 'daruma-bed-'))
  t.after(() => rmSync(state, { recursive: true, force: true }))
  const paths = slotPaths(state, slot)
  ensureSlot(paths, 1 << 20)
  makeEpochDirectory(paths, asEpoch(1))
  const directory = epochDirectory(paths, asEpoch(1))
  writeEpochFiles(directory, files)
  const before = readFileSync(join(directory, 'exit')).length
  assert.deepEqual(findStopUnderWay(directory), {})
  const onTrouble = (error: unknown): never => assert.fail(String(error))
  const send = async (): Promise<void> => assert.equal(readStopNote(directory)?.isSent, false)
  await withStopNote(directory, asked, { send, onTrouble })
  assert.equal(readFileSync(join(directory, 'exit')).length, before, 'it needs no space of its own')
  assert.equal(readExit(directory), null)
  const { stop } = findStopUnderWay(directory)
  assert.ok(stop !== undefined && stop.leftMs > 0 && stop.leftMs <= 60_000)
  assert.deepEqual([stop.isAtFault, stop.isSent], [true, true])
  writeExit(directory, { kind: 'code', code: 7 })
  assert.deepEqual(readExit(directory), { kind: 'code', code: 7 })
  assert.equal(readStopNote(directory)?.signal, 'SIGINT')
  // Whoever makes another epoch of this directory.
  writeEpochFiles(directory, files)
  assert.deepEqual(findStopUnderWay(directory), {})
})

test('a note of another boot, or half of one, says nothing; the signal goes out though none can be written', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'daruma-bed-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const note = JSON.stringify({ ...asked, bootId: 'another', deadlineMs: 1e12, isAtFault: true, isSent: true })
  for (const text of [note, note.slice(0, 40)]) {
    writeFileSync(join(folder, 'exit'), `\n${text}\n`)
    assert.equal(readStopNote(folder), null)
  }
  rmSync(join(folder, 'exit'))
  let sent = 0
  const troubles: unknown[] = []
  await withStopNote(folder, asked, { send: async () => void (sent += 1), onTrouble: (error) => troubles.push(error) })
  assert.deepEqual([sent, troubles.length], [1, 2])
})
