import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { findAccount, parsePasswd } from './account.ts'

const text = 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:n:/nowhere:/bin/false\ntorn:x:7\nhomeless:x:8:9:::/bin/sh\n'

test('a user is known by name and by number, and a line that is none names nobody', () => {
  assert.deepEqual(parsePasswd(text, 'nobody'), { name: 'nobody', uid: 65_534, gid: 65_533, home: '/nowhere' })
  assert.deepEqual(parsePasswd(text, '65534'), parsePasswd(text, 'nobody'))
  assert.deepEqual(parsePasswd(text, 'homeless')?.home, '/')
  for (const user of ['torn', '7', 'no', '']) assert.equal(parsePasswd(text, user), null, user)
})

test('a directory service that does not answer holds up nobody but the caller, and is asked once for all', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'daruma-getent-'))
  const before = process.env['PATH']
  t.after(() => {
    process.env['PATH'] = before
    rmSync(folder, { recursive: true })
  })
  const log = join(folder, 'log')
  writeFileSync(log, '')
  writeFileSync(
    join(folder, 'getent'),
    `#!/bin/sh\necho asked >>"${log}"\nsleep 0.5\necho "far:x:4711:4712::/home/far:/bin/sh"\n`,
  )
  chmodSync(join(folder, 'getent'), 0o755)
  process.env['PATH'] = `${folder}:${before}`
  let ticks = 0
  const timer = setInterval(() => (ticks += 1), 10)
  t.after(() => clearInterval(timer))
  const answers = await Promise.all(Array.from({ length: 5 }, () => findAccount('far')))
  assert.deepEqual(
    answers,
    answers.map(() => ({ name: 'far', uid: 4711, gid: 4712, home: '/home/far' })),
  )
  assert.ok(ticks > 5, `the loop turned ${ticks} times meanwhile`)
  const { readFileSync } = await import('node:fs')
  assert.equal(readFileSync(log, 'utf8'), 'asked\n')
})
