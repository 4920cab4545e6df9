/** The page's listener asked over real sockets, by hand where a browser or `fetch` would not ask so rudely. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request, type IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { hangLimit } from '../../../test/hang-limit.ts'
import type { Route } from '../../ports/api.ts'
import type { OpenPage } from '../../ports/page-server.ts'
import { openPage } from './page.ts'

const token = 'a'.repeat(64)
const folder = mkdtempSync(join(tmpdir(), 'daruma-page-'))
let page: OpenPage
let uses = 0
let posted = 0
const ended: string[] = []

const routes: readonly Route[] = [
  { method: 'GET', path: '/v1/status', handle: () => ({ kind: 'json', body: { ok: true } }) },
  { method: 'GET', path: '/v1/metrics', handle: () => ({ kind: 'text', contentType: 'text/x', text: '# EOF\n' }) },
  {
    method: 'POST',
    path: '/v1/daemon/stop',
    handle: () => {
      posted += 1
      return { kind: 'json', body: {} }
    },
  },
  {
    method: 'GET',
    path: '/v1/flood',
    handle: () => ({
      kind: 'lines',
      run: async (send) => {
        let line = 0
        for (; line < 100_000 && send({ text: 'x'.repeat(1000) }); line += 1) {
          if (line % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
        }
        ended.push(line < 100_000 ? 'cut' : 'told all')
      },
    }),
  },
]

before(async () => {
  mkdirSync(join(folder, 'assets'))
  writeFileSync(join(folder, 'index.html'), '<!doctype html>')
  writeFileSync(join(folder, 'assets/page-abc.js'), 'let a = 1\n'.repeat(100))
  writeFileSync(join(folder, 'secret.pem'), 'no page file')
  const options = { port: null, token, onUse: () => (uses += 1), routes, folder }
  page = await openPage({ ...options, log: { write: (_level, message) => assert.fail(message) } })
})

after(async () => {
  await page.close()
  rmSync(folder, { recursive: true })
})

interface Heard {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

function ask(path: string, headers: Record<string, string> = {}, method: string = 'GET'): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port: page.port, path, method, headers, agent: false }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }),
      )
      response.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

const bearer = { authorization: `Bearer ${token}` }
const codeIn = ({ body }: Heard): string => (JSON.parse(body.toString()) as { error: { code: string } }).error.code

test('the page’s files are given to everybody, compressed, with a policy that allows nothing foreign', async () => {
  const plain = await ask('/')
  assert.deepEqual([plain.status, plain.body.toString()], [200, '<!doctype html>'])
  assert.equal(plain.headers['cache-control'], 'no-cache')
  assert.equal(plain.headers['x-content-type-options'], 'nosniff')
  assert.equal(plain.headers['referrer-policy'], 'no-referrer')
  assert.equal(plain.headers['access-control-allow-origin'], undefined)
  assert.equal(
    plain.headers['content-security-policy'],
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  )
  const script = await ask('/assets/page-abc.js', { 'accept-encoding': 'gzip, br' })
  assert.deepEqual(
    [script.headers['content-encoding'], script.headers['cache-control']],
    ['gzip', 'public, max-age=31536000, immutable'],
  )
  assert.equal(gunzipSync(script.body).toString(), 'let a = 1\n'.repeat(100))
  const again = await ask('/', { 'if-none-match': plain.headers.etag ?? '' })
  assert.deepEqual([again.status, again.body.length], [304, 0])
})

test('whatever is not one of the page’s files needs the token, and a wrong one is as good as none', async () => {
  const before = uses
  for (const path of ['/v1/status', '/metrics', '/v1/none', '/secret.pem', '/..%2fsecret.pem', '/assets/../../etc/passwd', '//'])
    assert.deepEqual([path, (await ask(path)).status], [path, 401])
  for (const authorization of [
    `Bearer ${'b'.repeat(64)}`,
    `Bearer ${token}x`,
    `Basic ${token}`,
    token,
    'Bearer ',
    `Bearer ${token.slice(1)}`,
  ])
    assert.deepEqual([authorization, codeIn(await ask('/v1/status', { authorization }))], [authorization, 'E_PAGE_TOKEN'])
  assert.equal(uses, before)
  const heard = await ask('/v1/status', bearer)
  assert.deepEqual([heard.status, heard.body.toString(), heard.headers['cache-control']], [200, '{"ok":true}', 'no-store'])
  assert.ok(uses > before)
})

test('a token in the query opens nothing: it would stand in histories and logs', async () => {
  assert.equal((await ask(`/v1/status?token=${token}`)).status, 401)
})

test('a name that is not loopback is refused, files included (DNS rebinding)', async () => {
  for (const host of ['evil.example', 'evil.example:80', '127.0.0.1.evil.example', 'localhost.evil.example', '0.0.0.0']) {
    for (const path of ['/', '/v1/status'])
      assert.deepEqual([host, path, (await ask(path, { ...bearer, host })).status], [host, path, 421])
  }
  for (const host of ['localhost:9000', '127.0.0.1', '[::1]:1'])
    assert.equal((await ask('/v1/status', { ...bearer, host })).status, 200)
})

test('nothing but GET is answered, with the token too', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH']) {
    const heard = await ask('/v1/daemon/stop', bearer, method)
    assert.deepEqual([method, heard.status, heard.headers.allow], [method, 405, 'GET'])
  }
  assert.equal((await ask('/v1/daemon/stop', bearer)).status, 404)
  assert.equal(posted, 0)
})

test('/metrics is where a scraper looks', async () => {
  const heard = await ask('/metrics', bearer)
  assert.deepEqual([heard.headers['content-type'], heard.body.toString()], ['text/x', '# EOF\n'])
})

test('a path with a broken escape is a bad request', async () => {
  assert.deepEqual(codeIn(await ask('/v1/%zz', bearer)), 'E_REQUEST_INVALID')
})

test('a reader that does not read is cut off', async () => {
  const socket = connect(page.port, '127.0.0.1')
  socket.write(`GET /v1/flood HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  socket.pause()
  const end = performance.now() + hangLimit(20_000)
  while (ended.length === 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.deepEqual(ended, ['cut'])
  socket.destroy()
})

test('more answers at once than there may be are refused, and room is made when they end', async () => {
  const sockets = Array.from({ length: 32 }, () => {
    const socket = connect(page.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(`GET /v1/flood HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    return socket
  })
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('readable', resolve))))
  const heard = await ask('/v1/status', bearer)
  for (const socket of sockets) socket.destroy()
  assert.ok(heard.status === 503 || ended.length > 1, `${heard.status}`)
  const end = performance.now() + hangLimit(10_000)
  let last = 503
  while (last === 503 && performance.now() < end) last = (await ask('/v1/status', bearer)).status
  assert.equal(last, 200)
})

test('a port that is taken is told as such, and an installation without a page too', async () => {
  const options = { token, onUse: () => {}, routes, log: { write: () => {} } }
  await assert.rejects(openPage({ ...options, folder, port: page.port }), { code: 'E_PAGE_PORT' })
  await assert.rejects(openPage({ ...options, folder: join(folder, 'none'), port: null }), { code: 'E_PAGE_MISSING' })
})
