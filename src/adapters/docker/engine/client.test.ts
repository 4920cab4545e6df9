/** What an engine never does on request, by a server that does it: the client's own behaviour at the edges of HTTP. The rest is tested on real engines. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { test, type TestContext } from 'node:test'

import { EngineClient } from './client.ts'
import type { ContainerCreate } from './engine-api.ts'
import { EngineRefusal, isUnreachable } from './errors.ts'

async function open(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<EngineClient> {
  const folder = mkdtempSync(join(tmpdir(), 'daruma-client-'))
  const server = createServer(answer).listen(join(folder, 'engine.sock'))
  t.after(() => {
    server.close()
    server.closeAllConnections()
    rmSync(folder, { recursive: true })
  })
  await once(server, 'listening')
  return new EngineClient(join(folder, 'engine.sock'))
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  return Buffer.concat(await request.toArray()).toString()
}

const never = new AbortController().signal

test("a container's environment is in the body alone: an engine that tells of its questions tells their paths", async (t) => {
  const asked: { readonly path: string | undefined; readonly body: unknown }[] = []
  const client = await open(t, (request, response) => {
    void bodyOf(request).then((body) => {
      asked.push({ path: request.url, body: JSON.parse(body) })
      response.writeHead(201).end('{"Id":"abc"}')
    })
  })
  const create = { name: 'daruma-1-web.0', Image: 'web', Env: ['PASSWORD=secret'] } as unknown as ContainerCreate
  assert.equal(await client.createContainer(create, never), 'abc')
  assert.deepEqual(asked, [{ path: '/containers/create?name=daruma-1-web.0', body: { Image: 'web', Env: ['PASSWORD=secret'] } }])
})

test('a refusal is told with its status and in the words of whoever refused, also where a stream was asked for', async (t) => {
  const answers: Readonly<Record<string, readonly [number, string]>> = {
    '/containers/none/json': [404, '{"message":"No such container: none"}'],
    '/events?filters=%7B%7D': [503, 'the proxy in front of it is tired\n'],
    '/containers/silent/json': [500, ''],
  }
  const client = await open(t, (request, response) => {
    const [status, body] = answers[request.url ?? ''] ?? [200, '{}']
    response.writeHead(status).end(body)
  })
  await assert.rejects(client.inspectContainer('none', never), new EngineRefusal(404, 'No such container: none'))
  await assert.rejects(client.followEvents({}), new EngineRefusal(503, 'the proxy in front of it is tired'))
  await assert.rejects(client.inspectContainer('silent', never), new EngineRefusal(500, 'Internal Server Error'))
})

test('an answer that is cut off is an engine that is away, not an empty answer', async (t) => {
  const client = await open(t, (_request, response) => {
    response.writeHead(200, { 'Content-Length': '100' }).write('[{"Id"', () => response.destroy())
  })
  await assert.rejects(client.listContainers({}, {}), isUnreachable)
})

test('a question that is given up ends its connection', async (t) => {
  const { promise: hasClosed, resolve } = Promise.withResolvers<void>()
  const abort = new AbortController()
  const client = await open(t, (request) => {
    request.socket.on('close', () => resolve())
    abort.abort()
  })
  await assert.rejects(client.info(abort.signal), { name: 'AbortError' })
  await hasClosed
})

test('an engine that refuses an archive before its end is heard, and the archive is let go', async (t) => {
  const client = await open(t, (_request, response) => {
    response.writeHead(400, { Connection: 'close' }).end('{"message":"no space left on device"}')
  })
  const archive = new PassThrough()
  const loaded = client.loadImage(archive)
  archive.write('the first part')
  await assert.rejects(loaded, new EngineRefusal(400, 'no space left on device'))
  if (!archive.destroyed) await once(archive, 'close')
})

test('an archive that fails fails the question with its own reason', async (t) => {
  const client = await open(t, (request) => void request.resume())
  const archive = new Readable({ read: (): void => void archive.destroy(new Error('the file has changed')) })
  await assert.rejects(client.loadImage(archive), { message: 'the file has changed' })
})

test('who logs in where goes into the headers that engines read, in base64 for URLs with its padding', async (t) => {
  const seen: (string | string[] | undefined)[] = []
  const client = await open(t, (request, response) => {
    seen.push(request.headers['x-registry-auth'], request.headers['x-registry-config'])
    request.resume()
    response.end()
  })
  const credentials = { username: 'å>?', password: 'þÿ' }
  await client.pullImage({ name: 'a', tag: '1' }, { ...credentials, serveraddress: 's' })
  await client.buildImage(Readable.from([]), { name: 'b:1', file: 'Dockerfile', logins: { s: credentials } })
  const [auth, , , config] = seen
  assert.match(String(auth), /^[A-Za-z0-9_-]+={0,2}$/)
  assert.equal(String(auth).length % 4, 0)
  assert.deepEqual(JSON.parse(Buffer.from(String(auth), 'base64url').toString()), { ...credentials, serveraddress: 's' })
  assert.deepEqual(JSON.parse(Buffer.from(String(config), 'base64').toString()), { s: credentials })
})
