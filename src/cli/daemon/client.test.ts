import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'

import { fakeDaemon, runningVersion, temporaryFolder } from '../../../test/cli/harness.ts'
import { Client } from './client.ts'

const never = new AbortController().signal

test('no socket, a dead socket and no directory are all "no daemon is running"', async () => {
  using folder = temporaryFolder()
  await assert.rejects(new Client(folder.path).version(), { code: 'E_DAEMON_NOT_RUNNING' })
  await assert.rejects(new Client(join(folder.path, 'absent')).version(), { code: 'E_DAEMON_NOT_RUNNING' })
  writeFileSync(join(folder.path, 'daemon.sock'), '')
  await assert.rejects(new Client(folder.path).version(), { code: 'E_DAEMON_NOT_RUNNING' })
})

test('a daemon that closes its socket just as somebody knocks runs no more', async () => {
  using folder = temporaryFolder()
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(join(folder.path, 'daemon.sock'), resolve))
  const asked = new Client(folder.path).version()
  // The server has had no turn to take it: the kernel resets what waits at a socket that is closed.
  process.nextTick(() => server.close())
  await assert.rejects(asked, { code: /^E_DAEMON_(?:NOT_RUNNING|LOST)$/ })
})

test('a daemon that does not answer is an error with a limit, not a hang', async () => {
  using folder = temporaryFolder()
  const server = createServer(() => undefined)
  await new Promise<void>((resolve) => server.listen(join(folder.path, 'daemon.sock'), resolve))
  try {
    await assert.rejects(new Client(folder.path).version(50), {
      code: 'E_DAEMON_SILENT',
      message: /GET \/v1\/version within 0\.05 s/,
    })
  } finally {
    server.close()
  }
})

test('a refusal of the daemon keeps its code, message and hint', async () => {
  using folder = temporaryFolder()
  await using _daemon = await fakeDaemon(folder.path, {
    'POST /v1/exec': { status: 409, code: 'E_NOT_RUNNING', message: 'web has no running slot', hint: 'daruma status' },
  })
  await assert.rejects(new Client(folder.path).exec({ target: 'web', command: ['true'] }), {
    code: 'E_NOT_RUNNING',
    message: 'web has no running slot',
    hint: 'daruma status',
  })
})

test('an answer that is not JSON is named as such', async () => {
  using folder = temporaryFolder()
  await using _daemon = await fakeDaemon(folder.path, { 'GET /v1/status': (_request, response) => void response.end('<html>') })
  await assert.rejects(new Client(folder.path).status(), { code: 'E_DAEMON_ANSWER', message: /<html>/ })
})

test('lines arrive one by one although the bytes come in other pieces', async () => {
  using folder = temporaryFolder()
  const text = Buffer.from('{"service":"web","slot":"web/0","line":"達磨"}\n{"service":"web","slot":"web/0","line":"二"}\n')
  await using daemon = await fakeDaemon(folder.path, {
    'GET /v1/logs?service=web&service=api%2F0&lines=5&follow=1': (_request, response) => {
      let at = 0
      const step = (): void => {
        if (at >= text.length) return void response.end()
        response.write(text.subarray(at, at + 7))
        at += 7
        setImmediate(step)
      }
      step()
    },
  })
  const lines = await Array.fromAsync(new Client(folder.path).logs({ services: ['web', 'api/0'], lines: 5, follow: true }, never))
  assert.deepEqual(
    lines.map((line) => ('line' in line ? line.line : line.note)),
    ['達磨', '二'],
  )
  assert.equal(daemon.requests.length, 1)
})

test('a stream that breaks off is a lost daemon, and an aborted one simply ends', async () => {
  using folder = temporaryFolder()
  const first = '{"number":1}\n'
  await using _daemon = await fakeDaemon(folder.path, {
    'GET /v1/events?limit=1': (_request, response) => void response.write(first, () => response.destroy()),
    'GET /v1/events?limit=2': (_request, response) => void response.write(first),
  })
  const client = new Client(folder.path)
  const seen: unknown[] = []
  await assert.rejects(
    async () => {
      for await (const event of client.events({ limit: 1 }, never)) seen.push(event)
    },
    { code: 'E_DAEMON_LOST' },
  )
  assert.deepEqual(seen, [{ number: 1 }])
  const ending = new AbortController()
  for await (const _event of client.events({ limit: 2 }, ending.signal)) ending.abort()
})

test('a state directory whose path does not fit a socket address works all the same', async () => {
  using folder = temporaryFolder()
  const deep = join(folder.path, 'd'.repeat(90), 'e'.repeat(90))
  mkdirSync(deep, { recursive: true })
  await using _daemon = await fakeDaemon(deep, {})
  assert.deepEqual(await new Client(deep).version(), runningVersion)
})
