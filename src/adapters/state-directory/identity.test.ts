import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { identityAt, judge } from './identity.ts'
import { observePlace } from './place.ts'

/** No id that anything runs under. */
const stateId = '00000000000000aa'

test('a directory on another mounted device is a copy, and one whose device is mounted nowhere was mounted anew', (t) => {
  const path = mkdtempSync(join(tmpdir(), 'daruma-identity-'))
  t.after(() => rmSync(path, { recursive: true }))
  const here = observePlace(path)
  const proc = observePlace('/proc').device
  const verdict = (device: string, more: Partial<typeof here> = {}): string =>
    judge(identityAt(stateId, { ...here, path: join(path, 'elsewhere'), ...more, device }, undefined), here).kind
  assert.equal(verdict(here.device), 'own')
  assert.equal(verdict(proc), 'copy')
  assert.equal(verdict('4095:1'), 'mounted-anew')
  assert.equal(verdict(proc, { bootId: 'another', path: here.path }), 'own', 'a boot numbers its disks anew')
  assert.equal(verdict(proc, { bootId: 'another' }), 'mounted-anew')
  assert.equal(verdict(here.device, { inode: '1' }), 'copy')
})
