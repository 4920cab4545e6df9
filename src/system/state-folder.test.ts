import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { foreseeStateFolder, makeStateFolder } from './state-folder.ts'

test('what cannot be a state directory is refused at once, by name, and foreseen', () => {
  const folder = mkdtempSync(join(tmpdir(), 'daruma-state-'))
  try {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    for (const path of [file, join(file, 'x'), join(file, 'x/y'), '/proc/daruma-x', '/proc/daruma-x/y', '/sys/daruma-x']) {
      assert.match(
        makeStateFolder(path)?.why ?? '',
        /^(?:a file is in the way|this file system takes no folders|permission denied.*)$/,
        path,
      )
    }
    assert.match(foreseeStateFolder(join(file, 'x/y'))?.why ?? '', /file is not a directory$/)
    assert.equal(foreseeStateFolder(join(folder, 'a/b/c')), null)
    assert.equal(statSync(join(folder, 'a'), { throwIfNoEntry: false }), undefined, 'foreseeing makes nothing')
    for (const _time of [1, 2]) assert.equal(makeStateFolder(join(folder, 'a/b/c')), null)
    assert.equal(statSync(join(folder, 'a/b/c')).mode & 0o777, 0o700)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a folder of another user is refused and foreseen', { skip: process.geteuid?.() !== 0 ? 'needs root' : false }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'daruma-state-'))
  chmodSync(folder, 0o700)
  process.seteuid?.(65_534)
  try {
    assert.match(makeStateFolder(join(folder, 'x'))?.why ?? '', /permission denied/)
    assert.match(foreseeStateFolder(join(folder, 'x'))?.why ?? '', /permission denied/)
  } finally {
    process.seteuid?.(0)
    rmSync(folder, { recursive: true, force: true })
  }
})
