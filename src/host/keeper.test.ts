/** The keeper alone, without a daemon: what it finds in the slot, and what it does about it. */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { makeOutputPipe } from './logs/output-pipe.ts'
import { writeEpochFiles } from './slot-files.ts'
import { hostScripts, kill, until } from '../../test/support/runtime-bed.ts'
import { renderGo, renderGreeting, renderOrder } from '../adapters/process/keepers/keeper-script.ts'

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
    writeEpochFiles(this.home, { directory: this.directory, user: null, namespaces: false, note: '' })
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text)
  }

  /** Both messages, for keeper number 1 where nothing else is said. */
  messages(number: number = 1): readonly [string, string] {
    const { directory, home } = this
    const place = { slotDirectory: directory, epochDirectory: home, joinFiles: [] }
    const run = { epoch: digits(5), directory, mounts: [], environment: { PATH: '/usr/bin:/bin' }, command: this.#command }
    return [renderOrder(number, { ...place, ...run }), renderGo(number, false)]
  }

  /** The last message is sent when the keeper says that it waits for it; after what it is sent it reads the end of its input. */
  async runKeeper([order = '', last = '']: readonly string[] = this.messages()): Promise<{
    readonly said: string
    readonly ended: string
    readonly hasRun: boolean
  }> {
    const keeper = spawn('/bin/sh', ['-c', 'exec 8</proc 0<&3 3<&-; exec /bin/sh -s'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    })
    const socket = keeper.stdio[3] as Socket
    socket.on('error', () => {})
    let said = ''
    socket.on('data', (part: Buffer) => {
      said += part.toString('latin1')
      if (last !== '' && said.includes('waits\n')) socket.end(last)
    })
    socket.write(renderGreeting(tools, 1) + order)
    if (last === '' || !order.endsWith('\n')) socket.end()
    const [code, signal] = (await once(keeper, 'exit')) as [number | null, string | null]
    // 2: half a message is no command. 113: it waited and was told nothing.
    assert.ok(code !== null && [0, 2].includes(code), `${code ?? signal}`)
    // Behind the first line of `started` stands the epoch's note.
    const read = (name: string): string => readFileSync(join(this.home, name), 'utf8').split('\n')[0]?.trim() ?? ''
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

test('a keeper of the present epoch runs its command, says who it is and how it ended', async (t) => {
  const { said, ended, hasRun } = await new Slot(t).runKeeper()
  assert.match(said, /^\d+ \(sh\) /)
  assert.deepEqual({ ended, hasRun }, { ended: 'code 3', hasRun: true })
})

for (const epoch of [`${digits(6)}\n`, `${digits(4)}\n`, digits(6), '']) {
  test(`a keeper that finds ${JSON.stringify(epoch)} as the slot's epoch is superseded and runs nothing`, async (t) => {
    const slot = new Slot(t)
    slot.write('epoch', epoch)
    assert.deepEqual(await slot.runKeeper(), { said: 'refused superseded', ended: '', hasRun: false })
  })
}

test('a ready keeper whose daemon dies before the last word, or in the middle of it, runs nothing', async (t) => {
  const slot = new Slot(t)
  const [order, go] = slot.messages()
  assert.deepEqual(await slot.runKeeper([]), nothing)
  assert.deepEqual(await slot.runKeeper([order]), nothing)
  for (let length = 1; length < order.length - 1; length += 37)
    assert.deepEqual(await slot.runKeeper([order.slice(0, length)]), nothing, `after ${length} bytes of the order`)
  for (let length = 1; length < go.length; length += 1)
    assert.deepEqual(await slot.runKeeper([order, go.slice(0, length)]), nothing, `after ${length} bytes of the last word`)
})

test('what was meant for another keeper is not carried out by this one', async (t) => {
  const slot = new Slot(t)
  const [order, go] = slot.messages()
  const [otherOrder, otherGo] = slot.messages(2)
  assert.deepEqual(await slot.runKeeper([otherOrder, go]), nothing)
  assert.deepEqual(await slot.runKeeper([order, otherGo]), nothing)
  assert.deepEqual(await slot.runKeeper([otherOrder + order, go]), nothing)
})

test('a keeper runs one command and no other, whatever it is told after it', async (t) => {
  const slot = new Slot(t)
  const [order, go] = slot.messages()
  const again = order.replace(': >ran', ': >again')
  assert.equal((await slot.runKeeper([order, go + again + go])).ended, 'code 3')
  assert.equal(existsSync(join(slot.directory, 'again')), false)
})

test('a command that ends as a keeper does that ran nothing is recorded like any other', async (t) => {
  const slot = new Slot(t)
  const [order, go] = slot.messages()
  assert.deepEqual((await slot.runKeeper([order.replace('exit 3', 'exit 113'), go])).ended, 'code 113')
})

test('a keeper that finds the lock held runs nothing, and does not even ask whether it is superseded', async (t) => {
  const slot = new Slot(t)
  slot.write('epoch', `${digits(6)}\n`)
  const lock = slot.directory
  const holder = spawn(flock, ['--no-fork', lock, 'sleep', '1000'], { stdio: 'ignore' })
  t.after(() => kill(holder.pid ?? 0))
  await until(() => spawnSync(flock, ['-n', lock, 'true']).status === 1, 'the lock is held')
  assert.deepEqual(await slot.runKeeper(), { said: 'refused locked', ended: '', hasRun: false })
})
