/** What the world does to a database: full disks, damage, kills, replacement, other versions. All of it inflicted for real. */

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { DarumaError } from '../../ports/error.ts'
import type { Operation, Store } from '../../ports/storage/store.ts'
import { openSqliteStore } from './index.ts'

const directory = mkdtempSync(join(tmpdir(), 'daruma-faults-'))
after(() => rmSync(directory, { recursive: true }))
let files = 0
const newFile = (): string => join(directory, `${(files += 1)}.db`)
const isRoot = process.getuid?.() === 0

const put = (key: string, value: string): Operation => ({ kind: 'put', key, value })
const refused =
  (code: string, ...words: readonly string[]) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof DarumaError, String(error))
    assert.equal(error.code, code, error.message)
    const text = `${error.message}\n${error.hint}`
    for (const word of words) assert.ok(text.includes(word), `"${word}" is not in: ${text}`)
    return true
  }

describe('a full disk', { skip: isRoot ? false : 'mounting a small file system needs root' }, () => {
  it('refuses the transaction whole, spares its small neighbours, and is forgotten once there is space', async (t) => {
    const mount = smallFileSystem(t)
    await using store = await openSqliteStore({ file: join(mount, 'state.db') })
    await store.transact({ then: [put('kept', '1')] })
    const big = JSON.stringify('x'.repeat(3_000_000))
    const [large, small] = await Promise.allSettled([
      store.transact({ then: [put('half', '1'), put('big', big)] }),
      store.transact({ then: [put('small', '1')] }),
    ])
    assert.equal(large.status, 'rejected')
    refused('E_STORE_FULL', 'state.db', 'nothing was written')(large.reason)
    assert.deepEqual(small, { status: 'fulfilled', value: { succeeded: true, revision: 2 } })

    writeFileSync(join(mount, 'ballast'), '')
    execFileSync('sh', ['-c', `cat /dev/zero > "${mount}/ballast" 2>/dev/null || true`])
    let count = 0
    await assert.rejects(async () => {
      for (; count < 5000; count += 1) await store.transact({ then: [put(`fill/${count}`, JSON.stringify('y'.repeat(5000)))] })
    }, refused('E_STORE_FULL'))
    const before = await store.list('')
    assert.equal(before.entries.length, 2 + count, 'every acknowledged one is there, and no other')
    await assert.rejects(store.transact({ then: [put('z', big)] }), refused('E_STORE_FULL'))
    assert.deepEqual(await store.list(''), before)

    rmSync(join(mount, 'ballast'))
    assert.deepEqual(await store.transact({ then: [put('again', '1')] }), { succeeded: true, revision: before.revision + 1 })
    assert.equal((await store.list('')).entries.length, before.entries.length + 1)
  })

  it('cannot damage what is there, even when the process dies while it is full', async (t) => {
    const mount = smallFileSystem(t)
    const file = join(mount, 'state.db')
    const acknowledged = await writeUntil({ file, from: 0, killAfter: Infinity })
    assert.ok(acknowledged > 10)
    await using store = await openSqliteStore({ file })
    await assertComplete(store, acknowledged)
  })

  it('is named when the database cannot even be created', async (t) => {
    const mount = smallFileSystem(t)
    execFileSync('sh', ['-c', `cat /dev/zero > "${mount}/ballast" 2>/dev/null || true`])
    await assert.rejects(openSqliteStore({ file: join(mount, 'state.db') }), refused('E_STORE_FULL', 'state.db'))
    rmSync(join(mount, 'ballast'))
    await using store = await openSqliteStore({ file: join(mount, 'state.db') })
    assert.deepEqual(await store.transact({ then: [put('a', '1')] }), { succeeded: true, revision: 1 })
  })
})

describe('a killed process', () => {
  it('never loses an acknowledged transaction, nor keeps half of one', async () => {
    const file = newFile()
    let from = 0
    for (const wanted of [1, 40, 300, 900]) {
      const reached = await writeUntil({ file, from, killAfter: wanted })
      await using store = await openSqliteStore({ file })
      from = await assertComplete(store, reached)
    }
  })
})

describe('a file that is not ours to use', () => {
  it('text, a truncated database and a damaged page are E_STORE_CORRUPT, naming file and way out, and stay as they are', async () => {
    const text = newFile()
    writeFileSync(text, 'not a database\n'.repeat(1000))
    const short = newFile()
    writeFileSync(short, 'SQLite')
    const torn = await fullDatabase()
    truncateSync(torn, statSync(torn).size / 2)
    const damaged = await fullDatabase()
    const bytes = readFileSync(damaged)
    bytes.fill(0xa5, 4096 * 3, 4096 * 6)
    writeFileSync(damaged, bytes)
    for (const file of [text, short, torn, damaged]) {
      const before = readFileSync(file)
      await assert.rejects(openSqliteStore({ file }), refused('E_STORE_CORRUPT', file, 'backup'))
      assert.ok(before.equals(readFileSync(file)), `${file} was changed`)
    }
  })

  it("another program's database is refused", async () => {
    const file = newFile()
    const foreign = new DatabaseSync(file)
    foreign.exec('CREATE TABLE theirs (a)')
    foreign.close()
    await assert.rejects(openSqliteStore({ file }), refused('E_STORE_CORRUPT', 'belongs to another program'))
    const again = new DatabaseSync(file)
    assert.equal(again.prepare('SELECT count(*) AS n FROM theirs').get()?.['n'], 0)
    again.close()
  })

  it('a newer format is refused and not a byte is changed', async () => {
    const file = await fullDatabase()
    const later = new DatabaseSync(file)
    later.exec('PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)')
    later.close()
    const before = readFileSync(file)
    await assert.rejects(openSqliteStore({ file }), refused('E_STORE_NEWER', file, 'newer version', '99'))
    assert.ok(before.equals(readFileSync(file)))
    assert.ok(!existsSync(`${file}-wal`))
  })

  it('a missing directory, a directory in its place and a read-only file system are E_STORE_NOT_WRITABLE', async (t) => {
    await assert.rejects(
      openSqliteStore({ file: join(directory, 'none', 'state.db') }),
      refused('E_STORE_NOT_WRITABLE', 'none/state.db'),
    )
    const folder = newFile()
    mkdirSync(folder)
    await assert.rejects(openSqliteStore({ file: folder }), refused('E_STORE_NOT_WRITABLE', folder))
    if (isRoot) {
      const mount = smallFileSystem(t)
      execFileSync('mount', ['-o', 'remount,ro', mount])
      await assert.rejects(openSqliteStore({ file: join(mount, 'state.db') }), refused('E_STORE_NOT_WRITABLE', mount))
    } else {
      const file = await fullDatabase()
      chmodSync(file, 0o400)
      await assert.rejects(openSqliteStore({ file }), refused('E_STORE_NOT_WRITABLE', file))
    }
  })

  it('a second process is refused while the first has it open', async () => {
    const file = newFile()
    await using store = await openSqliteStore({ file })
    await assert.rejects(openSqliteStore({ file }), refused('E_STORE_LOCKED', file))
    assert.deepEqual(await store.transact({ then: [put('a', '1')] }), { succeeded: true, revision: 1 })
  })
})

describe('a file replaced by rename under us', () => {
  it('fails every call from then on, and the restored file is what the next one opens', async () => {
    const file = newFile()
    const older = newFile()
    const first = await openSqliteStore({ file })
    await first.transact({ then: [put('a', 'old')] })
    await first[Symbol.asyncDispose]()
    copyFileSync(file, older)

    const store = await openSqliteStore({ file })
    await store.transact({ then: [put('a', 'new'), put('b', 'new')] })
    renameSync(older, file)
    await assert.rejects(store.transact({ then: [put('a', 'lost')] }), refused('E_STORE_REPLACED', file))
    await assert.rejects(store.get('a'), refused('E_STORE_REPLACED', file))
    await store[Symbol.asyncDispose]()

    await using next = await openSqliteStore({ file })
    assert.deepEqual((await next.list('')).entries, [{ key: 'a', value: 'old', modified: 1 }])
  })

  it('does not let the old log into the restored file, even when the process is killed', async () => {
    const file = newFile()
    const older = newFile()
    await (await openSqliteStore({ file }))[Symbol.asyncDispose]()
    copyFileSync(file, older)
    const idle = await idleWriter(file)
    renameSync(older, file)
    idle.kill('SIGKILL')
    await once(idle, 'exit')
    await using next = await openSqliteStore({ file })
    assert.deepEqual(await next.list(''), { revision: 0, entries: [] })
  })

  it('a removed file is the same', async () => {
    const file = newFile()
    await using store = await openSqliteStore({ file })
    rmSync(file)
    await assert.rejects(store.transact({ then: [put('a', '1')] }), refused('E_STORE_REPLACED', file))
    assert.ok(!existsSync(file))
  })
})

describe('the log', () => {
  it('has one commit for many who waited, and one each for those who came alone', async () => {
    const file = newFile()
    await using store = await openSqliteStore({ file })
    for (let n = 0; n < 20; n += 1) await store.transact({ then: [put('a', `${n}`)] })
    assert.equal(commitsInLog(file), 20)
    await Promise.all(Array.from({ length: 64 }, (_, n) => store.transact({ then: [put(`b/${n}`, 'null')] })))
    assert.ok(commitsInLog(file) <= 22, `${commitsInLog(file)} commits`)
  })

  it('is emptied when nobody writes, and gone after a clean close; the file is for its owner alone', async () => {
    const file = newFile()
    const store = await openSqliteStore({ file })
    await store.transact({ then: [put('a', '1')] })
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(statSync(`${file}-wal`).mode & 0o777, 0o600)
    for (let n = 0; statSync(`${file}-wal`).size > 0; n += 1) {
      assert.ok(n < 500, 'the log was not emptied within 5 s')
      await delay(10)
    }
    await store.transact({ then: [put('a', '2')] })
    await store[Symbol.asyncDispose]()
    assert.ok(!existsSync(`${file}-wal`))
  })

  it('stays bounded while a lot is written', async () => {
    const file = newFile()
    await using store = await openSqliteStore({ file })
    for (let n = 0; n < 300; n += 1) await store.transact({ then: [put('a', JSON.stringify('x'.repeat(100_000)))] })
    assert.ok(statSync(`${file}-wal`).size < 8 * 2 ** 20, `${statSync(`${file}-wal`).size} bytes`)
    await store.compact(300)
    for (let n = 0; n < 100; n += 1) await store.transact({ then: [put('a', JSON.stringify('x'.repeat(100_000)))] })
    assert.ok(statSync(file).size < 36 * 2 ** 20, 'compacted space is used again')
  })
})

/** A file system of 2 MB for one test. */
function smallFileSystem(t: TestContext): string {
  const mount = mkdtempSync(join(directory, 'mount-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=0700', 'daruma-test', mount])
  t.after(() => execFileSync('umount', ['--lazy', mount]))
  return mount
}

/** A closed database of some 100 pages. */
async function fullDatabase(): Promise<string> {
  const file = newFile()
  await using store = await openSqliteStore({ file })
  for (let n = 0; n < 100; n += 1) await store.transact({ then: [put(`k/${n}`, JSON.stringify('x'.repeat(3000)))] })
  return file
}

/**
 * Writes pairs of keys, 16 transactions at a time, in a process that is killed in the middle of them once so many were
 * acknowledged (or that dies of a full disk); returns the largest number that it called acknowledged.
 */
async function writeUntil(wanted: { readonly file: string; readonly from: number; readonly killAfter: number }): Promise<number> {
  const writer = runProgram(`
    let number = ${wanted.from}
    const store = await openSqliteStore({ file: ${JSON.stringify(wanted.file)} })
    const write = async () => {
      for (;;) {
        const mine = (number += 1)
        const right = 'x'.repeat(mine % 3000)
        await store.transact({ then: [{ kind: 'put', key: 'a/' + mine, value: String(mine) }, { kind: 'put', key: 'b/' + mine, value: right }] })
        writeSync(1, mine + '\\n')
      }
    }
    await Promise.all(Array.from({ length: 16 }, write))`)
  let text = ''
  const closed = once(writer, 'close')
  writer.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    if (text.split('\n').length > wanted.killAfter) writer.kill('SIGKILL')
  })
  await closed
  const numbers = text.split('\n').slice(0, -1).map(Number)
  assert.ok(numbers.length > 0, 'the writer wrote nothing')
  return Math.max(...numbers)
}

/** Pairs are written in the order of their numbers, so all up to the last acknowledged one must be there; returns the last found. */
async function assertComplete(store: Store, acknowledged: number): Promise<number> {
  const [left, right] = [await store.list('a/'), await store.list('b/')]
  const numbers = left.entries.map((entry) => Number(entry.value)).toSorted((a, b) => a - b)
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, index) => index + 1),
    'a hole',
  )
  assert.ok(numbers.length >= acknowledged, `${acknowledged} was acknowledged, ${numbers.length} is there`)
  assert.deepEqual(
    right.entries.map((entry) => [entry.key, entry.value.length]),
    left.entries.map((entry) => [`b/${entry.value}`, Number(entry.value) % 3000]),
  )
  return numbers.length
}

/** A process that has written, and whose log has been emptied since. */
async function idleWriter(file: string): Promise<ReturnType<typeof runProgram>> {
  const child = runProgram(`
    const store = await openSqliteStore({ file: ${JSON.stringify(file)} })
    await store.transact({ then: [{ kind: 'put', key: 'a', value: 'newer' }] })
    writeSync(1, 'written')`)
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  for (let n = 0; statSync(`${file}-wal`).size > 0; n += 1) {
    assert.ok(n < 500, 'the log was not emptied within 5 s')
    await delay(10)
  }
  return child
}

function runProgram(text: string): ChildProcessByStdio<null, Readable, null> {
  const imports = `import { writeSync } from 'node:fs'\nimport { openSqliteStore } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)}\n`
  return spawn(process.execPath, ['--input-type=module', '--eval', imports + text], { stdio: ['ignore', 'pipe', 'ignore'] })
}

/** Frames that end a transaction: https://sqlite.org/fileformat2.html#the_write_ahead_log */
function commitsInLog(file: string): number {
  const log = readFileSync(`${file}-wal`)
  const pageBytes = log.readUInt32BE(8)
  let commits = 0
  for (let at = 32; at + 24 <= log.length; at += 24 + pageBytes) if (log.readUInt32BE(at + 4) !== 0) commits += 1
  return commits
}
