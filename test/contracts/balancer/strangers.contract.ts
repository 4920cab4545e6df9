/** Of the balancer's contract: malformed, ambiguous, endless and slow clients. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect as http2Connect } from 'node:http2'
import { connect } from 'node:net'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as tlsConnect } from 'node:tls'
import {
  assertRefused,
  listener,
  openBed,
  pool,
  rawExchange,
  simple,
  statusOf,
  table,
  toPool,
  web,
  type MakeBalancer,
  type TcpUpstream,
} from '../../support/balancer-bed.ts'
import { until } from '../../processes.ts'
import { selfSigned } from '../../../src/system/self-signed.ts'
import { asServiceName } from '../../../src/core/model/id.ts'
import { get } from './ask.contract.ts'

export function strangers(make: MakeBalancer): void {
  const limits = { headerBytes: 8192, bodyBytes: 10_000, headerTimeoutMs: 1500, idleTimeoutMs: 2500 }

  it('what is malformed, too large or too slow gets the right answer, and nothing of it reaches an upstream', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(simple(port, [upstream.upstream], { limits }))
    const send = (text: string): Promise<string> => rawExchange(port, text, { limitMs: 8000 })
    const host = 'Host: a.test\r\n'
    assertRefused(await send('NONSENSE\r\n\r\n'), [400], 'no request line')
    assertRefused(await send(`GET / HTTP/9.9\r\n${host}\r\n`), [400, 505], 'an unknown version')
    assertRefused(await send(`GE T / HTTP/1.1\r\n${host}\r\n`), [400], 'a space in the method')
    assertRefused(await send(`GET / HTTP/1.1\r\n\r\n`), [400], 'no host')
    assertRefused(await send(`GET / HTTP/1.1\r\n${host}Host: b.test\r\n\r\n`), [400], 'two hosts')
    assertRefused(await send(`GET / HTTP/1.1\r\n${host}Bad Name: x\r\n\r\n`), [400], 'a space in a name')
    assertRefused(await send(`GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`), [400], 'a NUL in a value')
    assertRefused(await send(`CONNECT b.test:443 HTTP/1.1\r\n${host}\r\n`), [400, 404, 405, 501], 'CONNECT')
    assertRefused(
      await send(`GET / HTTP/1.1\r\n${host}${'X-A: aaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(300)}\r\n`),
      [400, 431],
      'very many headers',
    )
    assertRefused(await send(`GET / HTTP/1.1\r\n${host}X: ${'a'.repeat(9000)}\r\n\r\n`), [431], 'a header a little too large')
    // 240 of 35 bytes, four of which are neither name nor value.
    assertRefused(
      await send(`GET / HTTP/1.1\r\n${host}${`X-A: ${'a'.repeat(28)}\r\n`.repeat(240)}\r\n`),
      [431],
      'many small ones',
    )
    assertRefused(await send(`GET / HTTP/1.1\r\n${host}X: ${'a'.repeat(200_000)}\r\n\r\n`), [400, 431], 'a header much too large')
    assertRefused(await send(`GET /${'a'.repeat(9000)} HTTP/1.1\r\n${host}\r\n`), [414, 431], 'a URL too large')
    assertRefused(await send(`POST / HTTP/1.1\r\n${host}Content-Length: 10001\r\n\r\n`), [413], 'a body too large')
    assertRefused(
      await send(
        `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${'3e8\r\n'.concat('a'.repeat(1000), '\r\n').repeat(11)}0\r\n\r\n`,
      ),
      [411, 413],
      'a chunked body too large',
    )
    assertRefused(await send(`GET / HTTP/1.1\r\n${host}`), [408], 'a header that never ends')
    assert.deepEqual(upstream.executed, [])
    assert.equal(statusOf(await get(port)), 200)
    const { refused, connections } = await bed.balancer.observe()
    assert.ok(refused >= 12, `${refused} refused`)
    assert.ok(connections <= 1, `${connections} connections`)
  })

  it('a request that could be read in two ways is refused, and what hides in it is never executed', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(simple(port, [upstream.upstream]))
    const hidden = 'GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n'
    const post = (headers: string, body: string): Promise<string> =>
      rawExchange(port, `POST /outer HTTP/1.1\r\nHost: a.test\r\n${headers}\r\n${body}`, { limitMs: 1500 })
    const refusedOnes: Record<string, readonly [string, string]> = {
      'two lengths': [`Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n`, hidden],
      'two lengths in one line': [`Content-Length: 0, ${hidden.length}\r\n`, hidden],
      'a length that is no number': ['Content-Length: 0x10\r\n', hidden],
      'a length with a sign': ['Content-Length: +0\r\n', hidden],
      'an unknown coding': ['Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${hidden}`],
      'a coding twice': ['Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', `0\r\n\r\n${hidden}`],
      'a chunk size that is no number': ['Transfer-Encoding: chunked\r\n', `zz\r\n\r\n${hidden}`],
      'a space before the colon': ['Transfer-Encoding : chunked\r\n', `0\r\n\r\n${hidden}`],
    }
    for (const [what, [headers, body]] of Object.entries(refusedOnes)) {
      const answer = await post(headers, body)
      assert.equal((answer.match(/HTTP\/1\.1 \d/g) ?? []).length <= 1, true, `${what}: ${answer}`)
      // Nothing at all is an answer too: the connection was closed.
      if (answer !== '') assertRefused(answer, [400, 411, 413, 501, 502], what)
    }
    // RFC 9112, 6.1 and 6.3: refused, or read by its chunks alone and the connection closed behind it.
    for (const headers of [
      'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
      'Transfer-Encoding: chunked\r\nContent-Length: 60\r\n',
    ]) {
      const before = upstream.requests.length
      const answer = await post(headers, `0\r\n\r\n${hidden}`)
      assert.equal((answer.match(/HTTP\/1\.1 \d/g) ?? []).length, 1, answer)
      assertRefused(answer, [200, 400], 'chunks with a length')
      for (const seen of upstream.requests.slice(before)) assert.equal(seen.headers['content-length'], undefined)
    }
    assert.deepEqual(
      upstream.executed.filter((url) => url === '/hidden'),
      [],
    )
    // RFC 9112 leaves a choice here: refused, or made one well-formed request.
    const folded = await rawExchange(
      port,
      'GET /folded HTTP/1.1\r\nHost: a.test\r\nX-A: one\r\n two\r\nConnection: close\r\n\r\n',
    )
    assert.ok([200, 400].includes(statusOf(folded)))
    if (statusOf(folded) === 200) assert.match(String(upstream.requests.at(-1)?.headers['x-a']), /^one\s+two$/)
    const bare = await rawExchange(port, 'GET /bare HTTP/1.1\nHost: a.test\nConnection: close\n\n')
    assert.ok([200, 400].includes(statusOf(bare)))
  })

  it('a host that is none is refused: it cannot choose a route that its path does not have, nor write into a terminal', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const [plain, inner] = [await bed.serve(), await bed.serve()]
    const api = asServiceName('api')
    const rules = [
      { domain: 'shop.test', path: '/api', action: toPool(api) },
      { domain: 'shop.test', path: '/', action: toPool(web) },
    ]
    const pools = [pool([inner.upstream], { id: api }), pool([plain.upstream])]
    await bed.start(table([listener(port, { rules })], pools, { accessLog: true }))
    const ask = (host: string, path: string): Promise<string> =>
      rawExchange(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    for (const host of [
      'shop.test/api',
      'SHOP.test/api',
      'shop.test/api/x:80',
      'x@shop.test',
      'shop.test\x1b[31m',
      'shop.test\x85',
    ])
      assertRefused(await ask(host, '/inside'), [400], JSON.stringify(host))
    assertRefused(await ask('shop.test/api,evil.test', '/inside'), [400], 'two hosts in one')
    assert.notEqual(statusOf(await ask('shop.test,evil.test', '/api')), 200)
    assert.deepEqual([...inner.executed, ...plain.executed], [])
    for (const host of ['shop.test', 'SHOP.test.:80']) assert.equal(statusOf(await ask(host, '/api/x')), 200)
    await until('the last line of the log', 3000, () => bed.log().includes('"/api/x" 200'))
    assert.doesNotMatch(bed.log(), /[\x00-\x09\x0b-\x1f\x7f-\uffff]/)
  })

  it('a body over HTTP/2 that does not say how long it is is held to the limit too', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    const file = bed.file('a.pem')
    writeFileSync(file, selfSigned(['a.test'], Date.now()), { mode: 0o600 })
    const certificates = [{ file, digest: '1', names: ['a.test'] }]
    await bed.start(table([listener(port, { tls: true })], [pool([upstream.upstream])], { limits, certificates }))
    const options = { port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] }
    const socket = tlsConnect({ ...options, servername: 'a.test' })
    await once(socket, 'secureConnect')
    if (socket.alpnProtocol !== 'h2') {
      socket.destroy()
      return
    }
    const session = http2Connect('https://a.test', { createConnection: () => socket })
    const ask = async (method: string, body: string | null): Promise<unknown> => {
      const stream = session.request({ ':method': method, ':path': `/${method}` }, { endStream: body === null })
      stream.on('error', () => undefined)
      if (body !== null) stream.end(body)
      stream.resume()
      const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
      return headers[':status']
    }
    assert.equal(await ask('POST', 'x'.repeat(20_000)), 411)
    assert.equal(await ask('GET', 'x'.repeat(20_000)), 411)
    assert.deepEqual(upstream.executed, [])
    assert.equal(await ask('POST', null), 200, 'none at all is no body of unknown length')
    session.destroy()
  })

  it('a connection beyond the limit waits until another ends', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(simple(port, [upstream.upstream], { limits: { connections: 3 } }))
    const idle = await Promise.all(
      [1, 2, 3].map(async () => {
        const socket = connect(port, '127.0.0.1')
        socket.on('error', () => undefined)
        const answered = once(socket, 'data')
        socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        await answered
        return socket
      }),
    )
    const waiting = get(port)
    assert.equal(await Promise.race([waiting, sleep(300).then(() => 'it waits')]), 'it waits')
    idle[0]?.destroy()
    assert.equal(statusOf(await waiting), 200)
    // With a limit of more, nobody has to end.
    const more = [get(port), get(port)]
    const fourth = connect(port, '127.0.0.1')
    fourth.on('error', () => undefined)
    await bed.balancer.apply(simple(port, [upstream.upstream], { limits: { connections: 10 } }))
    for (const answer of more) assert.equal(statusOf(await answer), 200)
    for (const socket of [...idle, fourth]) socket.destroy()
  })

  it('slow ones do not keep others waiting: headers by the byte, bodies that stop, answers that nobody reads', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const large = Buffer.alloc(8 * 2 ** 20, 'x')
    const upstream = await bed.serve((request, response) => void response.end(request.url === '/large' ? large : 'ok'))
    await bed.start(simple(port, [upstream.upstream], { limits }))
    const stopped = rawExchange(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc', { limitMs: 10_000 })
    const byteByByte = drip(port, 'GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ')
    const deaf = connect(port, '127.0.0.1')
    deaf.on('error', () => undefined)
    deaf.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n')
    deaf.pause()
    for (let time = 0; time < 20; time += 1) assert.equal(statusOf(await get(port)), 200)
    assert.ok([0, 408].includes(statusOf(await byteByByte)), 'headers by the byte')
    assert.ok([0, 400, 408, 502, 504].includes(statusOf(await stopped)), 'a body that stops')
    await until('the reader that does not read is let go', 8000, async () => (await bed.balancer.observe()).connections === 0)
    deaf.destroy()
  })

  it('clients that leave in the middle of a body whose answer has come already harm nobody', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const answer = 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno'
    const early = (isHalfOpen: boolean): Promise<TcpUpstream> =>
      bed.tcp((socket) => void socket.once('data', () => void socket.write(answer)), isHalfOpen)
    const upstreams = [(await early(true)).upstream, (await early(false)).upstream]
    await bed.start(simple(port, upstreams, { limits: { idleTimeoutMs: 1500 } }))
    const pid = bed.pid()
    const leavers = Array.from({ length: 30 }, async (_, first) => {
      for (let number = first; number < first + 4; number += 1) await leaveMidBody(port, number)
    })
    await Promise.all(leavers)
    await until('nothing of them is left', 8000, async () => (await bed.balancer.observe()).connections === 0)
    assert.equal(bed.pid(), pid, 'it is the same process')
    assert.equal(statusOf(await get(port)), 401)
  })
}

/** Half of a body, half of a connection, and then an end or none: what is left of somebody whose phone went into a tunnel. */
async function leaveMidBody(port: number, number: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: number % 2 === 0 })
  socket.on('error', () => undefined)
  if (number % 5 > 0) socket.on('data', () => undefined)
  else socket.pause()
  const text = `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(50_000)}`
  const cut = number % 3 === 0 ? (number * 7919) % text.length : text.length
  socket.write(text.slice(0, cut))
  await sleep([0, 1, 5, 30, 150, 400][number % 6])
  if (!socket.destroyed) socket.write(text.slice(cut))
  await sleep([0, 1, 5, 30, 150, 400][((number * 5) % 7) % 6])
  if (number % 4 === 0) socket.resetAndDestroy()
  else if (number % 4 < 3) socket.end()
  await sleep([50, 2500][number % 2])
  socket.destroy()
}

/** Sends a byte ten times a second, forever; resolves with what came when the other side has closed. */
async function drip(port: number, beginning: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => (text += chunk.toString()))
  const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()))
  socket.write(beginning)
  const timer = setInterval(() => socket.write('a'), 100)
  await closed
  clearInterval(timer)
  return text
}
