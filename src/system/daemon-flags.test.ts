import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { daemonFlags } from './daemon-flags.ts'

test('the supervisor starts a daemon with the same options as systemd does', () => {
  const script = readFileSync(join(import.meta.dirname, '../host/supervisor.sh'), 'utf8')
  assert.ok(script.includes(`"$daruma_node" ${daemonFlags.join(' ')} "$daruma_entry" daemon run`))
})

test('Node knows the options: with one that it does not know no daemon would ever start', () => {
  const { status, stderr } = spawnSync(process.execPath, [...daemonFlags, '--eval', ''], { encoding: 'utf8' })
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
})
