/**
 * What strangers may try on a balancer, on both of them: whatever it is, it gets a clear refusal or a closed connection, those beside it
 * notice nothing, nothing of it reaches the next request, and nothing of it stays in memory.
 */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { createEmbeddedBalancer } from '../src/adapters/embedded-balancer/index.ts'
import { createHaproxyBalancer } from '../src/adapters/haproxy/index.ts'
import { startLoad, type LoadResult } from './load/load.ts'
import { childrenOf, until } from './processes.ts'
import { often } from './thorough.ts'
import { attack, flood, open, openAndDrop, statusesIn, trickle } from './support/attacker.ts'
import { makeUpstream, openBed, simple, type Bed, type MakeBalancer, type TestUpstream } from './support/balancer-bed.ts'
import { seededRandom } from './seeded-random.ts'

const haproxy = '/usr/sbin/haproxy'
const limits = { headerBytes: 8192, bodyBytes: 100_000, headerTimeoutMs: 1500, idleTimeoutMs: 4000 }

attackAll('The embedded balancer', (stateDirectory) => createEmbeddedBalancer({ stateDirectory, node: process.execPath }))
if (existsSync(haproxy)) attackAll('HAProxy', (stateDirectory) => createHaproxyBalancer({ stateDirectory, haproxy }))
else describe('HAProxy', () => it('is not installed', { skip: 'apt-get install haproxy' }, () => undefined))

function attackAll(name: string, make: MakeBalancer): void {
  describe(`${name} under attack:`, () => {
    malformed(make)
    smuggling(make)
    floods(make)
    slowOnes(make)
    connections(make)
  })
}

const host = 'Host: a.test\r\n'

/** Each is sent alone; `/secret` stands for what must not be executed by it. Spaces too many and tabs are not here: RFC 9112, 3, allows them. */
const malformedHeads: Readonly<Record<string, string>> = {
  'nothing but line ends': '\r\n'.repeat(2000),
  'a NUL in the method': `GE\0T /secret HTTP/1.1\r\n${host}\r\n`,
  'a NUL in the target': `GET /secret\0 HTTP/1.1\r\n${host}\r\n`,
  'a NUL in a name': `GET /secret HTTP/1.1\r\n${host}X\0Y: 1\r\n\r\n`,
  'a NUL in a value': `GET /secret HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`,
  'a control character in a name': `GET /secret HTTP/1.1\r\n${host}X\x01: 1\r\n\r\n`,
  'a carriage return alone in a value': `GET /secret HTTP/1.1\r\n${host}X: a\rInjected: 1\r\n\r\n`,
  'no colon': `GET /secret HTTP/1.1\r\n${host}nonsense\r\n\r\n`,
  'no name': `GET /secret HTTP/1.1\r\n${host}: value\r\n\r\n`,
  'a folded first line': `GET /secret HTTP/1.1\r\n ${host}\r\n`,
  'no target': `GET HTTP/1.1\r\n${host}\r\n`,
  'a space in the target': `GET /secret /more HTTP/1.1\r\n${host}\r\n`,
  'a version in small letters': `GET /secret http/1.1\r\n${host}\r\n`,
  'a version that nobody speaks': `GET /secret HTTP/9.9\r\n${host}\r\n`,
  'the preface of HTTP/2 to a port without TLS': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'a target of another host': `GET http://evil.test/secret HTTP/1.1\r\n${host}\r\n`,
  'a target without a slash': `GET secret HTTP/1.1\r\n${host}\r\n`,
  'no host': 'GET /secret HTTP/1.1\r\n\r\n',
  'two hosts': `GET /secret HTTP/1.1\r\n${host}Host: evil.test\r\n\r\n`,
  CONNECT: `CONNECT evil.test:443 HTTP/1.1\r\n${host}\r\n`,
  'a method of 10,000 letters': `${'A'.repeat(10_000)} /secret HTTP/1.1\r\n${host}\r\n`,
  'a hello of TLS': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
  'a negative length': `POST /secret HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n`,
  'a length beyond 64 bits': `POST /secret HTTP/1.1\r\n${host}Content-Length: 18446744073709551617\r\n\r\nx`,
  'a length of 400 digits': `POST /secret HTTP/1.1\r\n${host}Content-Length: ${'9'.repeat(400)}\r\n\r\nx`,
  'a length with an exponent': `POST /secret HTTP/1.1\r\n${host}Content-Length: 1e1\r\n\r\nx`,
}

function malformed(make: MakeBalancer): void {
  it('each malformed head is refused or ends its connection, and reaches no upstream', async () => {
    await using scene = await openScene(make)
    const wrong: string[] = []
    for (const [what, bytes] of Object.entries(malformedHeads)) {
      const { text, isClosed } = await attack(scene.port, bytes, 4000)
      const statuses = statusesIn(text)
      const isRefused = statuses.length > 0 ? statuses.every((status) => status >= 400) : isClosed
      if (!isRefused) wrong.push(`${what}: ${isClosed ? 'closed' : 'open'} ${text}`)
    }
    assert.deepEqual(wrong, [])
    assert.deepEqual(scene.secrets(), [])
    await scene.assertUndisturbed()
  })

  it('bytes that are no UTF-8 reach the upstream as they are, or are refused', async () => {
    await using scene = await openScene(make)
    const { text } = await attack(scene.port, `GET /\xff\xfe HTTP/1.1\r\n${host}X-Raw: \xc3\x28\xff\r\nConnection: close\r\n\r\n`)
    const [status] = statusesIn(text)
    assert.ok(status === 200 || status === 400, text)
    if (status === 200) assert.equal(scene.upstream.requests.at(-1)?.headers['x-raw'], '\xc3\x28\xff')
    await scene.assertUndisturbed()
  })

  it('random bytes, and random changes to a good request, break nothing', async () => {
    await using scene = await openScene(make)
    const random = seededRandom('4711')
    const good = `POST /good HTTP/1.1\r\n${host}X-A: b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`
    const attempts = Array.from({ length: 300 }, () => {
      const bytes = Buffer.from(good, 'latin1')
      if (random() < 0.3)
        return Buffer.from(Array.from({ length: 1 + Math.floor(random() * 400) }, () => Math.floor(random() * 256)))
      for (let change = 0; change < 1 + random() * 4; change += 1)
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
      return bytes
    })
    for (let index = 0; index < attempts.length; index += 30)
      await Promise.all(attempts.slice(index, index + 30).map((bytes) => attack(scene.port, bytes, 300)))
    await scene.assertUndisturbed()
  })
}

/**
 * Each hides a request for `/secret` where one reader might see a body and another the next request. (A line feed alone at the end of a chunk's
 * line is not here: HAProxy reads it as an end, and writes the chunks again for its upstream, so there is nobody to disagree with.)
 */
const smuggled = `GET /secret HTTP/1.1\r\n${host}\r\n`
const chunkedSecret = `0\r\n\r\n${smuggled}`
const smugglingHeads: Readonly<Record<string, readonly [headers: string, body: string]>> = {
  'a length and chunks': ['Content-Length: 6\r\nTransfer-Encoding: chunked\r\n', chunkedSecret],
  'chunks and a length': ['Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `5c\r\n${smuggled}\r\n0\r\n\r\n`],
  'two lengths': [`Content-Length: 0\r\nContent-Length: ${smuggled.length}\r\n`, smuggled],
  'two lengths in one': [`Content-Length: 0, ${smuggled.length}\r\n`, smuggled],
  'a length in hexadecimal': ['Content-Length: 0x0\r\n', smuggled],
  'a length with a sign': ['Content-Length: +0\r\n', smuggled],
  'a length with a space': ['Content-Length: 0 0\r\n', smuggled],
  'an unknown coding': ['Transfer-Encoding: xchunked\r\n', chunkedSecret],
  'a coding in quotes': ['Transfer-Encoding: "chunked"\r\n', chunkedSecret],
  'chunks that are not last': ['Transfer-Encoding: chunked, identity\r\n', chunkedSecret],
  'two codings': ['Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n', chunkedSecret],
  'a space before the colon': ['Transfer-Encoding : chunked\r\nContent-Length: 6\r\n', chunkedSecret],
  'a vertical tab before the value': ['Transfer-Encoding:\x0bchunked\r\nContent-Length: 6\r\n', chunkedSecret],
  'a folded coding': ['Transfer-Encoding:\r\n chunked\r\nContent-Length: 6\r\n', chunkedSecret],
  'a coding after a line feed alone': ['X: y\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n', chunkedSecret],
  'a coding after a carriage return alone': ['X: y\rTransfer-Encoding: chunked\r\nContent-Length: 6\r\n', chunkedSecret],
  'a chunk size of nothing': ['Transfer-Encoding: chunked\r\n', `\r\n\r\n${smuggled}`],
  'a chunk size with a sign': ['Transfer-Encoding: chunked\r\n', `+0\r\n\r\n${smuggled}`],
  'a negative chunk size': ['Transfer-Encoding: chunked\r\n', `-1\r\n\r\n${smuggled}`],
  'a chunk size in C': ['Transfer-Encoding: chunked\r\n', `0x0\r\n\r\n${smuggled}`],
  'a chunk size beyond 64 bits': ['Transfer-Encoding: chunked\r\n', `10000000000000000\r\n${smuggled}`],
  'a chunk that is longer than its size': ['Transfer-Encoding: chunked\r\n', `1\r\nabc\r\n0\r\n\r\n${smuggled}`],
}

function smuggling(make: MakeBalancer): void {
  it('a request that could be read in two ways is refused, and what hides in it is never executed', async () => {
    await using scene = await openScene(make)
    const wrong: string[] = []
    for (const [what, [headers, body]] of Object.entries(smugglingHeads)) {
      const { text } = await attack(scene.port, `POST /outer HTTP/1.1\r\n${host}${headers}\r\n${body}`, 1200)
      // At most one answer: what comes behind a refused request is nobody's.
      const statuses = statusesIn(text)
      if (statuses.length > 1 || statuses.some((status) => status < 400)) wrong.push(`${what}: ${text}`)
    }
    assert.deepEqual(wrong, [])
    assert.deepEqual(scene.secrets(), [])
    await scene.assertUndisturbed()
  })

  it('a body is a body, whatever is in it, also of a GET; and a request behind it is the next one', async () => {
    await using scene = await openScene(make)
    const next = `GET /next HTTP/1.1\r\n${host}Connection: close\r\n\r\n`
    const withBody = (method: string): string =>
      `${method} /body HTTP/1.1\r\n${host}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}${next}`
    for (const method of ['GET', 'POST', 'DELETE'])
      assert.deepEqual(statusesIn((await attack(scene.port, withBody(method))).text), [200, 200])
    assert.deepEqual(scene.secrets(), [])
    assert.equal(scene.upstream.requests.filter(({ url }) => url === '/next').length, 3)
    await scene.assertUndisturbed()
  })

  it('an upgrade to anything but a WebSocket is none: no tunnel past the balancer', async () => {
    await using scene = await openScene(make)
    const { text } = await attack(
      scene.port,
      `GET / HTTP/1.1\r\n${host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n${smuggled}`,
      1000,
    )
    assert.ok(!statusesIn(text).includes(101), text)
    await scene.assertUndisturbed()
  })

  it('many requests in one piece are answered in their order, each by its own answer', async () => {
    await using scene = await openScene(make)
    const ids = Array.from({ length: 60 }, (_, index) => `pipelined-${index}`)
    const requests = ids.map((id, index) => {
      const last = index === ids.length - 1 ? 'Connection: close\r\n' : ''
      const [method, body] = index % 3 === 0 ? ['POST', 'Content-Length: 2\r\n'] : ['GET', '']
      return `${method} /?ms=${(index % 4) * 5} HTTP/1.1\r\n${host}x-load-id: ${id}\r\n${body}${last}\r\n${body === '' ? '' : 'ab'}`
    })
    const { text } = await attack(scene.port, requests.join(''), 8000)
    assert.deepEqual(
      [...text.matchAll(/^x-load-id: (.*)\r$/gim)].map((found) => found[1]),
      ids,
    )
    await scene.assertUndisturbed()
  })
}

function floods(make: MakeBalancer): void {
  const megabyte = 2 ** 20

  it('endless headers, an endless line and an endless body are cut off, soon and without growing', async () => {
    await using scene = await openScene(make)
    const before = scene.megabytes()
    const beginnings: Readonly<Record<string, readonly [beginning: string, piece: string]>> = {
      'small headers': [`GET /secret HTTP/1.1\r\n${host}`, 'a: b\r\n'],
      'one header': [`GET /secret HTTP/1.1\r\n${host}X: `, 'aaaaaaaa'],
      'one name': [`GET /secret HTTP/1.1\r\n${host}`, 'aaaaaaaa'],
      'one target': ['GET /', 'aaaaaaaa'],
      'one method': ['', 'AAAAAAAA'],
      chunks: [`POST /body HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`, '8\r\naaaaaaaa\r\n'],
      'chunk extensions': [`POST /body HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n1;`, 'aaaaaaaa'],
    }
    for (const [what, [beginning, piece]] of Object.entries(beginnings)) {
      const { text, taken } = await flood(scene.port, { beginning, piece, mostBytes: 40 * megabyte, limitMs: 8000 })
      assert.ok(taken < 16 * megabyte, `${what}: ${taken} bytes were taken`)
      for (const status of statusesIn(text)) assert.ok(status >= 400, `${what}: ${text}`)
    }
    assert.deepEqual(scene.secrets(), [])
    assert.ok(scene.megabytes() < before + 60, `${before} MB before, ${scene.megabytes()} MB after`)
    await scene.assertUndisturbed()
  })

  it('readers that do not read hold back their upstream, not the memory', async () => {
    await using scene = await openScene(make)
    const before = scene.megabytes()
    const readers = await Promise.all(Array.from({ length: 40 }, () => open(scene.port)))
    for (const reader of readers) {
      reader.pause()
      reader.write(`GET /large HTTP/1.1\r\n${host}\r\n`)
    }
    await until(
      'all of them are being answered',
      10_000,
      () => scene.upstream.requests.filter(({ url }) => url === '/large').length === 40,
    )
    await scene.assertUndisturbed()
    // 40 answers of 16 MB each, of which each socket takes some: kernel buffers are not the process's memory.
    assert.ok(scene.megabytes() < before + 120, `${before} MB before, ${scene.megabytes()} MB after`)
    await until('they are let go', 20_000, async () => (await scene.bed.balancer.observe()).connections <= 1)
    for (const reader of readers) reader.destroy()
  })

  it('WebSockets to a dead upstream, many at once, are 502 or 503 each', async () => {
    await using scene = await openScene(make)
    await scene.bed.balancer.apply(simple(scene.port, [makeUpstream(90, await scene.bed.freePort())], { limits }))
    const handshake = `GET / HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
    const replies = await Promise.all(Array.from({ length: 50 }, () => attack(scene.port, handshake, 15_000)))
    for (const { text } of replies) assert.match(text, /^HTTP\/1\.1 50[23] /)
    await scene.bed.balancer.apply(simple(scene.port, [scene.upstream.upstream], { limits }))
    await scene.assertUndisturbed()
  })
}

function slowOnes(make: MakeBalancer): void {
  it('two hundred that send a byte now and then are let go at their time, and those beside them notice nothing', async () => {
    await using scene = await openScene(make)
    const slow = Array.from({ length: 200 }, (_, index) =>
      trickle(scene.port, {
        beginning: index % 2 === 0 ? `GET / HTTP/1.1\r\n${host}X: ` : '',
        everyMs: 300,
        limitMs: limits.headerTimeoutMs + 8000,
      }),
    )
    const load = scene.assertUndisturbed()
    const replies = await Promise.all(slow)
    await load
    assert.deepEqual([...new Set(replies.map(({ isClosed }) => isClosed))], [true])
    for (const { text } of replies) for (const status of statusesIn(text)) assert.ok(status === 408 || status === 400, text)
    await until('none is left', 5000, async () => (await scene.bed.balancer.observe()).connections <= 1)
  })
}

function connections(make: MakeBalancer): void {
  it('thousands of connections that are opened and dropped leave nothing behind', async () => {
    await using scene = await openScene(make)
    const ways = [
      { say: '', isRude: false },
      { say: '', isRude: true },
      { say: 'GET /', isRude: true },
      { say: `GET /?ms=20 HTTP/1.1\r\n${host}\r\n`, isRude: true },
      { say: `POST /?ms=20 HTTP/1.1\r\n${host}Content-Length: 100\r\n\r\nabc`, isRude: true },
    ]
    // The first ones make room for as many at once as there will ever be.
    for (const way of ways) await openAndDrop(scene.port, { count: 400, atOnce: 200, ...way })
    const before = scene.megabytes()
    for (const way of ways)
      await openAndDrop(scene.port, { count: often({ usually: 600, thoroughly: 2000 }), atOnce: 200, ...way })
    let last = {}
    const idle = until('nothing is under way', 10_000, async () => {
      const { connections: open, upstreams, pools } = await scene.bed.balancer.observe()
      const active = [...upstreams.values(), ...pools.values()].reduce((sum, each) => sum + each.active, 0)
      last = { open, active, upstreams: [...upstreams.values()] }
      return open <= 1 && active === 0
    })
    await idle.catch((error: Error) => assert.fail(`${error.message}: ${JSON.stringify(last)}`))
    assert.ok(scene.megabytes() < before + 40, `${before} MB before, ${scene.megabytes()} MB after`)
    await scene.assertUndisturbed()
  })
}

interface Scene extends AsyncDisposable {
  readonly bed: Bed
  readonly port: number
  readonly upstream: TestUpstream
  /** Requests that only an attack can have made. */
  secrets(): readonly (string | undefined)[]
  /** Resident memory of the balancer's processes. */
  megabytes(): number
  /** Half a second of ordinary requests, each of which gets its own answer. */
  assertUndisturbed(): Promise<void>
}

async function openScene(make: MakeBalancer): Promise<Scene> {
  const bed = openBed(make)
  const port = await bed.freePort()
  const large = Buffer.alloc(16 * 2 ** 20, 'x')
  const upstream = await bed.serve((request, response) => {
    const id = request.headers['x-load-id']
    const ms = Number(/[?&]ms=(\d+)/.exec(request.url ?? '')?.[1] ?? 0)
    if (id !== undefined) response.setHeader('x-load-id', id)
    setTimeout(() => response.end(request.url === '/large' ? large : 'done'), ms)
  })
  await bed.start(simple(port, [upstream.upstream], { limits }))
  return {
    bed,
    port,
    upstream,
    secrets: () => upstream.requests.map(({ url }) => url).filter((url) => url?.includes('secret')),
    megabytes: () => [bed.pid(), ...childrenOf(bed.pid()).map(({ pid }) => pid)].reduce((sum, pid) => sum + resident(pid), 0),
    assertUndisturbed: async () => {
      await using load = await startLoad({ port, rate: 100, seconds: 0.5, connections: 10, timeoutMs: 8000 })
      const { failures }: LoadResult = await load.result
      assert.deepEqual(failures, [])
      // What an exception in one request would leave there.
      assert.doesNotMatch(bed.log(), /survived/)
    },
    [Symbol.asyncDispose]: () => bed[Symbol.asyncDispose](),
  }
}

const resident = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1000
