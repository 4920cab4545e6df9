/** Secrets as files, given to real processes. */

import assert from 'node:assert/strict'
import { existsSync, readdirSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { isRoot, needsRoot, RuntimeBed, until } from '../../../test/support/runtime-bed.ts'
import { asServiceName, slotId } from '../../core/model/id.ts'

const tmpfs = 0x01021994
const show =
  'stat -c "%a %U" "$DARUMA_SECRET_DB_PASSWORD"; cat "$DARUMA_SECRET_DB_PASSWORD"; echo; echo "$DARUMA_SECRET_DB_PASSWORD"'
const secretFiles = { DB_PASSWORD: 'correct horse' }

const root = (bed: RuntimeBed): string => `/run/daruma/${bed.stateId}/.secrets`

test('a process finds its secret in a file of its own, in memory, and the file goes with it', async (t) => {
  const bed = await RuntimeBed.open(t)
  await bed.run(1, ['/bin/sh', '-c', `${show}; exec sleep 1000`], { secretFiles })
  await until(() => bed.logText().split('\n').length === 4, 'it has shown what it was given')
  const [mode, value, path = ''] = bed.logText().split('\n')
  assert.deepEqual([mode, value], [`400 ${isRoot ? 'root' : mode?.split(' ')[1]}`, 'correct horse'])
  assert.equal(statfsSync(path).type, tmpfs)
  await bed.runtime.kill({ slot: slotId(asServiceName('web'), 0), epoch: bed.order(1, []).epoch }, 10_000)
  await bed.event('gone', 1)
  assert.equal(existsSync(path), false)
})

test('it belongs to the user of the service, and no other user gets to it', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  await bed.run(1, ['/bin/sh', '-c', `${show}; exec sleep 1000`], { secretFiles, user: 'nobody' })
  await until(() => bed.logText().split('\n').length === 4, 'it has shown what it was given')
  const [mode, value, path = ''] = bed.logText().split('\n')
  assert.deepEqual([mode, value], ['400 nobody', 'correct horse'])
  const other = slotId(asServiceName('other'), 0)
  await bed.run(1, ['/bin/sh', '-c', `cat ${path}`], { slot: other, user: 'daemon' })
  const { exit } = await bed.event('gone', 1, other)
  assert.deepEqual(exit, { kind: 'code', code: 1 })
})

test(
  'the next daemon leaves the files of what runs alone, and removes those of what has ended',
  { skip: needsRoot },
  async (t) => {
    const bed = await RuntimeBed.open(t)
    const slot = slotId(asServiceName('short'), 0)
    await bed.run(1, ['sleep', '1000'], { secretFiles })
    const short = await bed.run(1, ['sleep', '1000'], { slot, secretFiles })
    const folders = (): readonly string[] => readdirSync(join(root(bed), 'processes')).toSorted()
    assert.deepEqual(folders(), ['short.0.1', 'web.0.1'])
    await bed.runtime[Symbol.asyncDispose]()
    process.kill(short.pid, 'SIGKILL')
    await bed.reopen()
    await until(() => folders().join() === 'web.0.1', 'the rest of what has ended is gone')
  },
)

test('a start that is refused leaves no file, and a state in which nothing runs no mount', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  await bed.run(2, ['true'], { secretFiles })
  await bed.event('gone', 2)
  assert.equal((await bed.runtime.start(bed.order(1, ['true'], { secretFiles })))?.kind, 'superseded')
  assert.deepEqual(readdirSync(join(root(bed), 'processes')), [])
  await bed.runtime[Symbol.asyncDispose]()
  assert.equal(existsSync(root(bed)), false)
  await bed.reopen()
})
