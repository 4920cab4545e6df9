import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqliteStore } from './index.ts'

test('a database put back after a kill does not swallow the log of the one that it replaces', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'daruma-foreign-log-'))
  const file = join(directory, 'state.db')
  try {
    {
      await using store = await openSqliteStore({ file })
      await store.transact({ then: [{ kind: 'put', key: 'revision', value: '"old"' }] })
    }
    copyFileSync(file, join(directory, 'backup.db'))
    await writeAndBeKilled(file)
    assert.ok(existsSync(`${file}-wal`), 'the killed writer left a log')
    renameSync(join(directory, 'backup.db'), file)
    await using restored = await openSqliteStore({ file })
    assert.equal((await restored.get('revision'))?.value, '"old"')
    assert.equal(await restored.get('later'), null)
    assert.ok(existsSync(`${file}-wal.foreign`), 'what was set aside is kept')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test('a log beside its own database is replayed after a kill', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'daruma-foreign-log-'))
  const file = join(directory, 'state.db')
  try {
    await writeAndBeKilled(file)
    await using store = await openSqliteStore({ file })
    assert.equal((await store.get('later'))?.value, '"yes"')
    assert.equal(existsSync(`${file}-wal.foreign`), false)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

/** Another process writes and is killed before its idle checkpoint has emptied the log. */
async function writeAndBeKilled(file: string): Promise<void> {
  const program = `
    const { openSqliteStore } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)})
    const store = await openSqliteStore({ file: ${JSON.stringify(file)} })
    await store.transact({ then: [{ kind: 'put', key: 'revision', value: '"new"' }, { kind: 'put', key: 'later', value: '"yes"' }] })
    process.kill(process.pid, 'SIGKILL')
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'ignore', 'inherit'] })
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
  assert.equal(signal, 'SIGKILL')
}
