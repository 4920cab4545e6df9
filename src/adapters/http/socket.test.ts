import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { until } from '../../../test/processes.ts'
import type { Route } from '../../ports/api.ts'
import { serve } from './socket.ts'

const routes: readonly Route[] = []

/** The status of an answer, whatever it says; null while nobody answers. */
function ask(file: string): Promise<number | null> {
  return new Promise((resolve) => {
    const call = request({ socketPath: file, path: '/v1/nothing', agent: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? null)
    })
    call.once('error', () => resolve(null))
    call.end()
  })
}

async function begin(t: TestContext): Promise<{ readonly folder: string; readonly file: string }> {
  const root = mkdtempSync(join(tmpdir(), 'daruma-socket-'))
  const folder = join(root, 'state')
  mkdirSync(folder)
  const file = join(folder, 'daemon.sock')
  const listening = await serve({ address: file, file, routes, log: { write: () => {} }, lookEveryMs: 20 })
  t.after(() => {
    listening.close()
    rmSync(root, { recursive: true, force: true })
  })
  return { folder, file }
}

test('a socket that is removed or replaced is made again, for its owner alone', async (t) => {
  const { folder, file } = await begin(t)
  assert.equal(await ask(file), 404)
  const spoil = [() => rmSync(file), () => (writeFileSync(`${file}.new`, ''), renameSync(`${file}.new`, file))]
  for (const each of spoil) {
    each()
    await until(`somebody answers at ${file}`, 10_000, async () => (await ask(file)) === 404)
    assert.equal(statSync(file).mode & 0o777, 0o600)
  }
  assert.equal(statSync(folder).isDirectory(), true)
})

test('a folder that was moved away keeps its socket, and none is made in what stands at its place', async (t) => {
  const { folder, file } = await begin(t)
  const moved = `${folder}-moved`
  renameSync(folder, moved)
  mkdirSync(folder)
  const begunMs = performance.now()
  await until('it has had the time for several looks', 10_000, () => performance.now() > begunMs + 100)
  assert.equal(await ask(join(moved, 'daemon.sock')), 404)
  assert.equal(await ask(file), null)
})
