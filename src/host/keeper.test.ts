/** The keeper alone, without a daemon: what it finds in the slot, and what it does about it. */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { makeOutputPipe } from './logs/output-pipe.ts'
import { hostScripts, kill, until } from '../../test/support/runtime-bed.ts'

const flock = '/usr/bin/flock'
const digits = (value: number): string => `${value}`.padStart(16, '0')

/** A slot as the daemon prepares it for epoch 5, on a host without cgroups, and what a keeper of that epoch does there. */
class Slot {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'daruma-bed-'))
  readonly home: string = join(this.directory, '5')

  constructor(t: TestContext) {
    t.after(() => rmSync(this.directory, { recursive: true, force: true }))
    mkdirSync(this.home)
    this.write('epoch', `${digits(5)}\n`)
    this.write('5/ticket', '')
    makeOutputPipe(this.home, null)
    for (const name of ['started', 'exit', 'keeper']) this.write(`5/${name}`, ' '.repeat(1024))
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text)
  }

  runKeeper(): { readonly said: string; readonly ended: string; readonly hasRun: boolean } {
    const command = ['/bin/sh', '-c', ': >ran; exit 3']
    const words = ['first', this.directory, digits(5), this.home, flock, '', '', this.directory, '', 'unset', '0', ...command]
    const { status, stderr } = spawnSync('/bin/sh', [join(hostScripts, 'keeper.sh'), ...words], {
      encoding: 'utf8',
      timeout: 10_000,
    })
    assert.equal(status, 0, stderr)
    const read = (name: string): string => readFileSync(join(this.home, name), 'utf8').trimEnd()
    return { said: read('started'), ended: read('exit'), hasRun: existsSync(join(this.directory, 'ran')) }
  }
}

test('a keeper of the present epoch runs its command, says who it is and how it ended', (t) => {
  const { said, ended, hasRun } = new Slot(t).runKeeper()
  assert.match(said, /^\d+ \(sh\) /)
  assert.deepEqual({ ended, hasRun }, { ended: 'code 3', hasRun: true })
})

for (const epoch of [`${digits(6)}\n`, `${digits(4)}\n`, digits(6), '']) {
  test(`a keeper that finds ${JSON.stringify(epoch)} as the slot's epoch is superseded and runs nothing`, (t) => {
    const slot = new Slot(t)
    slot.write('epoch', epoch)
    assert.deepEqual(slot.runKeeper(), { said: 'refused superseded', ended: '', hasRun: false })
  })
}

test('a keeper whose ticket is gone was given up and runs nothing', (t) => {
  const slot = new Slot(t)
  rmSync(join(slot.home, 'ticket'))
  assert.deepEqual(slot.runKeeper(), { said: 'refused closed', ended: '', hasRun: false })
})

test('a keeper that finds the lock held runs nothing, and does not even ask whether it is superseded', async (t) => {
  const slot = new Slot(t)
  slot.write('epoch', `${digits(6)}\n`)
  const lock = slot.directory
  const holder = spawn(flock, ['--no-fork', lock, 'sleep', '1000'], { stdio: 'ignore' })
  t.after(() => kill(holder.pid ?? 0))
  await until(() => spawnSync(flock, ['-n', lock, 'true']).status === 1, 'the lock is held')
  assert.deepEqual(slot.runKeeper(), { said: 'refused locked', ended: '', hasRun: false })
})
