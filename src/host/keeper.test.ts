/** The keeper alone, without a daemon: what it finds in the slot, and what it does about it. */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { hangLimit } from '../../test/hang-limit.ts'
import { makeOutputPipe } from './logs/output-pipe.ts'
import { hostScripts, kill, until } from '../../test/support/runtime-bed.ts'
import { renderGreeting, renderOccupy, renderRun } from '../adapters/process/keepers/keeper-script.ts'

const flock = '/usr/bin/flock'
const digits = (value: number): string => `${value}`.padStart(16, '0')

/** A slot as the daemon prepares it for epoch 5, and what a keeper that is told to run it does there. */
class Slot {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'daruma-bed-'))
  readonly home: string = join(this.directory, '5')
  readonly #command = ['/bin/sh', '-c', ': >ran; exit 3']

  constructor(t: TestContext) {
    t.after(() => rmSync(this.directory, { recursive: true, force: true }))
    mkdirSync(this.home)
    this.write('epoch', `${digits(5)}\n`)
    makeOutputPipe(this.home, null)
    for (const name of ['started', 'exit']) this.write(`5/${name}`, ' '.repeat(1024))
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text)
  }

  /** Both messages, for keeper number 1 where nothing else is said. */
  messages(number: number = 1): readonly string[] {
    const { directory, home } = this
    const run = { epoch: digits(5), directory, mounts: [], environment: { PATH: '/usr/bin:/bin' }, command: this.#command }
    return [renderOccupy(number, { slotDirectory: directory, epochDirectory: home, joinFiles: [] }), renderRun(number, run)]
  }

  runKeeper(messages: readonly string[] = this.messages()): {
    readonly said: string
    readonly ended: string
    readonly hasRun: boolean
  } {
    const input = [renderGreeting(tools, 1), ...messages].join('')
    // Descriptor 0 is a socket in real life; what the keeper answers there is not looked at here.
    const script = 'exec 8</proc; exec /bin/sh -s'
    const { status } = spawnSync('/bin/sh', ['-c', script], { input, encoding: 'utf8', timeout: hangLimit(10_000) })
    // 2: half a message is no command.
    assert.ok(status === 0 || status === 2, `${status}`)
    const read = (name: string): string => readFileSync(join(this.home, name), 'utf8').trim()
    return { said: read('started'), ended: read('exit'), hasRun: existsSync(join(this.directory, 'ran')) }
  }
}

const tools = {
  keeper: join(hostScripts, 'keeper.sh'),
  stateDirectory: '/nowhere',
  wrapper: [],
  setsid: null,
  unshare: null,
  flock,
  mount: null,
}
const nothing = { said: '', ended: '', hasRun: false }

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

test('a ready keeper whose daemon dies before it is told anything, or in the middle of it, runs nothing', (t) => {
  const slot = new Slot(t)
  const [occupy = '', run = ''] = slot.messages()
  assert.deepEqual(slot.runKeeper([]), nothing)
  assert.deepEqual(slot.runKeeper([occupy]), nothing)
  for (let length = 0; length < run.length - 1; length += 7)
    assert.deepEqual(slot.runKeeper([occupy, run.slice(0, length)]), nothing, `after ${length} bytes`)
})

test('what was meant for another keeper is not carried out by this one', (t) => {
  const slot = new Slot(t)
  const [occupy = '', run = ''] = slot.messages()
  const [otherOccupy = '', otherRun = ''] = slot.messages(2)
  assert.deepEqual(slot.runKeeper([otherOccupy, otherRun]), nothing)
  assert.deepEqual(slot.runKeeper([occupy, otherRun]), nothing)
  assert.deepEqual(slot.runKeeper([otherRun, occupy, run]), nothing)
})

test('a keeper runs one command and no other, whatever it is told after it', (t) => {
  const slot = new Slot(t)
  const [occupy = '', run = ''] = slot.messages()
  const again = run.replace(': >ran', ': >again')
  assert.equal(slot.runKeeper([occupy, run, again]).ended, 'code 3')
  assert.equal(existsSync(join(slot.directory, 'again')), false)
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
