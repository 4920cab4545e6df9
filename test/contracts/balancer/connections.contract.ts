/** Of the balancer's contract: what it says about its clients, and what goes through it: TLS, HTTP/2, WebSockets, raw TCP. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect as http2Connect } from 'node:http2'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { it } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import {
  draining,
  listener,
  makeUpstream,
  openBed,
  pool,
  rawExchange,
  simple,
  statusOf,
  table,
  toPool,
  web,
  type Bed,
  type MakeBalancer,
  type TcpUpstream,
} from '../../support/balancer-bed.ts'
import { until } from '../../processes.ts'
import { asServiceName } from '../../../src/core/model/id.ts'
import { selfSigned } from '../../../src/system/self-signed.ts'
import type { Certificate, Rule } from '../../../src/core/balance/table.ts'
import { get, hasCode } from './ask.contract.ts'

export function forwarding(make: MakeBalancer): void {
  it('says who the client is, replaces what clients say about themselves, and keeps hop-by-hop headers to itself', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(simple(port, [upstream.upstream]))
    const lies = ['For: 6.6.6.6', 'Proto: https', 'Host: evil.test', 'Port: 1'].map((lie) => `X-Forwarded-${lie}\r\n`).join('')
    const other = ['X_Forwarded_For', 'X-Forwarded_Proto', 'x_forwarded-host'].map((name) => `${name}: 6.6.6.6\r\n`).join('')
    const hops =
      'Forwarded: for=6.6.6.6\r\nKeep-Alive: timeout=1\r\nProxy-Connection: keep-alive\r\nTE: trailers, deflate\r\nX-Hop: 1\r\n'
    await rawExchange(
      port,
      `GET / HTTP/1.1\r\nHost: a.test:99\r\n${lies}${other}${hops}X-Own: 1\r\nConnection: close, X-Hop\r\n\r\n`,
    )
    const headers = upstream.requests[0]?.headers ?? {}
    assert.deepEqual(
      ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'host', 'x-own'].map(
        (name) => headers[name],
      ),
      ['127.0.0.1', 'http', 'a.test:99', String(port), 'a.test:99', '1'],
    )
    assert.doesNotMatch(JSON.stringify(upstream.requests[0]?.rawHeaders), /6\.6\.6\.6/, 'by no other spelling')
    for (const name of ['forwarded', 'keep-alive', 'proxy-connection']) assert.equal(headers[name], undefined, name)
    assert.doesNotMatch(String(headers['connection'] ?? ''), /x-hop/i)
  })

  it('the PROXY protocol comes in on a listener that accepts it, and goes out to a pool that sends it', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(table([listener(port, { acceptProxy: true })], [pool([upstream.upstream])]))
    const asked = 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n'
    assert.equal(statusOf(await rawExchange(port, `PROXY TCP4 203.0.113.7 203.0.113.9 4711 80\r\n${asked}`)), 200)
    assert.equal(upstream.requests[0]?.headers['x-forwarded-for'], '203.0.113.7')
    // Version 2, binary: signature, PROXY over TCP/IPv4, 12 bytes of addresses and ports.
    const second = '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x08\xcb\0\x71\x09\x12\x67\0\x50'
    assert.equal(statusOf(await rawExchange(port, `${second}${asked}`)), 200)
    assert.equal(upstream.requests[1]?.headers['x-forwarded-for'], '203.0.113.8')
    assert.equal(statusOf(await rawExchange(port, asked)), 0, 'without the header there is no connection')
    const half = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    half.end('PROXY TCP4 203.0.113.7 203.0.113.9 4711 80\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
    const [answer] = (await once(half, 'data')) as [Buffer]
    half.destroy()
    assert.equal(statusOf(answer.toString()), 200, 'who has said all still gets the answer')

    let heard = Buffer.alloc(0)
    const listening = await bed.tcp((socket) => {
      let own = Buffer.alloc(0)
      socket.on('data', (chunk) => {
        own = Buffer.concat([own, chunk as Buffer])
        if (!own.includes('\r\n\r\n', 28)) return
        heard = own
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
      })
    })
    const plain = await bed.freePort()
    await bed.balancer.apply(table([listener(plain)], [pool([listening.upstream], { sendProxy: true })]))
    assert.equal(statusOf(await get(plain)), 200)
    assert.equal(heard.subarray(0, 12).toString('latin1'), '\r\n\r\n\0\r\nQUIT\n')
    assert.equal(heard[12], 0x21)
    assert.deepEqual([...heard.subarray(16, 20)], [127, 0, 0, 1])
  })

  it('on all addresses, a client is known by the address that it has: no IPv4 in the clothes of IPv6', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    const wanted = simple(port, [upstream.upstream])
    await bed.start({ ...wanted, settings: { ...wanted.settings, address: '*' } })
    assert.equal(statusOf(await get(port)), 200)
    assert.equal(upstream.requests[0]?.headers['x-forwarded-for'], '127.0.0.1')
  })

  it('only a WebSocket is upgraded to: what carries requests past the balancer, such as h2c, is not passed on', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const heard: string[] = []
    const upstream = await bed.tcp((socket) => {
      socket.on('data', (chunk) => {
        heard.push(chunk.toString('latin1'))
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
      })
    })
    await bed.start(simple(port, [upstream.upstream]))
    const ask = (lines: string): Promise<string> =>
      rawExchange(port, `GET / HTTP/1.1\r\nHost: a.test\r\n${lines}Connection: Upgrade, HTTP2-Settings\r\n\r\n`, {
        isEnough: (text) => text.endsWith('ok'),
      })
    const settings = 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n'
    assert.equal(statusOf(await ask(`Upgrade: h2c\r\n${settings}`)), 200)
    await ask(`Upgrade: h2c, websocket\r\n${settings}`)
    await ask(`Upgrade: websocket\r\nUpgrade: h2c\r\n${settings}`)
    for (const request of heard) assert.doesNotMatch(request, /h2c/i)
  })

  it('trailers of a request come with it, or the request is refused and nobody executes it', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(simple(port, [upstream.upstream]))
    const head = 'POST /sum HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n'
    const status = statusOf(await rawExchange(port, `${head}3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n`))
    assert.ok(status === 200 || status === 501, String(status))
    assert.deepEqual(
      upstream.requests.map(({ trailers }) => trailers['x-sum']),
      status === 200 ? ['42'] : [],
    )
    assert.equal(statusOf(await get(port)), 200)
  })

  it('counts what it has done', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const statuses = [200, 201, 301, 404, 500, 503]
    const upstream = await bed.serve((request, response) => void response.writeHead(Number(request.url?.slice(1))).end('12345'))
    await bed.start(simple(port, [upstream.upstream]))
    for (const status of statuses) assert.equal(statusOf(await get(port, `/${status}`)), status)
    // The last answer is there a moment before it is counted.
    const { pools, upstreams } = await until('all are counted', 3000, async () => {
      const seen = await bed.balancer.observe()
      return Object.values(seen.pools.get(web)?.responses ?? {}).reduce((sum, each) => sum + each, 0) >= 6 && seen
    })
    const counted = pools.get(web)
    assert.deepEqual(counted?.responses, { '1xx': 0, '2xx': 2, '3xx': 1, '4xx': 1, '5xx': 2 })
    assert.deepEqual([counted.requests, counted.failed, counted.active, counted.queued], [6, 2, 0, 0])
    assert.ok(counted.bytesIn > 100 && counted.bytesOut > 100)
    assert.ok(counted.latencyMs !== null && counted.latencyMs.max >= counted.latencyMs.mean)
    assert.equal(upstreams.get(upstream.upstream.id)?.requests, 6)
    assert.equal(upstreams.get(upstream.upstream.id)?.failed, 2)
  })

  it('writes a line for each request where it is asked to', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(simple(port, [upstream.upstream], { accessLog: true }))
    await get(port, '/a%20"b?c=1')
    const line = await until('the line', 3000, () =>
      bed
        .log()
        .split('\n')
        .find((each) => each.includes('/a%20')),
    )
    const { slot, epoch } = upstream.upstream
    assert.match(
      line,
      new RegExp(
        String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ 127\.0\.0\.1 "GET" "a\.test" "/a%20\\"b\?c=1" 200 \d+ \d+ ${slot}#${epoch}$`,
      ),
    )
  })
}

export function secure(make: MakeBalancer): void {
  it('shows the certificate of the name that is asked for, the first to others; all of them change while connections go on', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    const certificate = (names: readonly string[], digest: string): Certificate => {
      const file = bed.file(`${names[0]?.replace('*', '_')}.pem`)
      writeFileSync(file, selfSigned(names, Date.now()), { mode: 0o600 })
      return { file, digest, names }
    }
    const wanted = (certificates: readonly Certificate[]): ReturnType<typeof table> =>
      table([listener(port, { tls: true })], [pool([upstream.upstream])], { certificates })
    const [a, b, wild] = [
      certificate(['a.test'], '1'),
      certificate(['b.test', 'www.b.test'], '1'),
      certificate(['*.c.test'], '1'),
    ]
    await bed.start(wanted([a, b]))
    assert.deepEqual(
      [
        await shownFor(port, 'a.test'),
        await shownFor(port, 'www.b.test'),
        await shownFor(port, 'x.c.test'),
        await shownFor(port, ''),
      ],
      ['DNS:a.test', 'DNS:b.test, DNS:www.b.test', 'DNS:a.test', 'DNS:a.test'],
    )
    const kept = tlsConnect({
      port,
      host: '127.0.0.1',
      servername: 'a.test',
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    })
    kept.on('error', () => undefined)
    await once(kept, 'secureConnect')
    const ask = async (): Promise<string> => {
      const answered = once(kept, 'data')
      kept.write('GET /secure HTTP/1.1\r\nHost: a.test\r\n\r\n')
      return String((await answered)[0])
    }
    assert.equal(statusOf(await ask()), 200)
    assert.equal(upstream.requests[0]?.headers['x-forwarded-proto'], 'https')
    const before = await fingerprintFor(port, 'a.test')
    await bed.balancer.apply(wanted([certificate(['a.test'], '2'), b, wild]))
    assert.notEqual(await fingerprintFor(port, 'a.test'), before, 'renewed')
    assert.equal(await shownFor(port, 'x.c.test'), 'DNS:*.c.test')
    await bed.balancer.apply(wanted([b, wild]))
    assert.deepEqual(
      [await shownFor(port, 'a.test'), await shownFor(port, '')],
      ['DNS:b.test, DNS:www.b.test', 'DNS:b.test, DNS:www.b.test'],
    )
    assert.equal(statusOf(await ask()), 200, 'the connection of before goes on')
    kept.destroy()
  })

  it('speaks HTTP/2 to who can, or says by ALPN that it does not; a WebSocket goes over TLS', async () => {
    await using bed = openBed(make)
    const [port, file] = [await bed.freePort(), bed.file('a.pem')]
    writeFileSync(file, selfSigned(['a.test'], Date.now()), { mode: 0o600 })
    const echo = await echoServer(bed)
    await bed.start(
      table([listener(port, { tls: true })], [pool([echo.upstream])], {
        certificates: [{ file, digest: '1', names: ['a.test'] }],
      }),
    )
    const socket = tlsConnect({
      port,
      host: '127.0.0.1',
      servername: 'a.test',
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
    })
    await once(socket, 'secureConnect')
    const protocol = socket.alpnProtocol
    assert.ok(protocol === 'h2' || protocol === 'http/1.1', String(protocol))
    if (protocol === 'h2') {
      const session = http2Connect(`https://a.test:${port}`, { createConnection: () => socket })
      const stream = session.request({ ':path': '/second' })
      stream.resume()
      const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
      assert.equal(headers[':status'], 200)
      const closed = once(session, 'close')
      session.close()
      await closed
    } else socket.destroy()
    const webSocket = new WebSocket(`wss://127.0.0.1:${port}/`, { rejectUnauthorized: false })
    await once(webSocket, 'open')
    const heard = once(webSocket, 'message')
    webSocket.send('over TLS')
    assert.equal(String((await heard)[0]), 'over TLS')
    webSocket.terminate()
  })

  it('a certificate that cannot be used is refused by name, and what was in force stays', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    const [good, other, mixed, broken] = ['good', 'other', 'mixed', 'broken'].map((name) => bed.file(`${name}.pem`)) as [
      string,
      string,
      string,
      string,
    ]
    writeFileSync(good, selfSigned(['a.test'], Date.now()), { mode: 0o600 })
    writeFileSync(other, selfSigned(['a.test'], Date.now()), { mode: 0o600 })
    const [certificate = ''] = readFileSync(good, 'utf8').split('-----BEGIN PRIVATE KEY')
    const key = readFileSync(other, 'utf8').split('-----BEGIN PRIVATE KEY')[1]
    writeFileSync(mixed, `${certificate}-----BEGIN PRIVATE KEY${key}`)
    writeFileSync(broken, 'no certificate')
    const wanted = (file: string): ReturnType<typeof table> =>
      table([listener(port, { tls: true })], [pool([upstream.upstream])], {
        certificates: [{ file, digest: file, names: ['a.test'] }],
      })
    await bed.start(wanted(good))
    for (const file of [mixed, broken, bed.file('nowhere.pem')]) {
      const refusal = (error: unknown): boolean => hasCode('E_BALANCER_CONFIG')(error) && (error as Error).message.includes(file)
      await assert.rejects(bed.balancer.prepare(wanted(file)), refusal)
      await assert.rejects(bed.balancer.apply(wanted(file)), refusal)
    }
    assert.equal(await shownFor(port, 'a.test'), 'DNS:a.test')
  })
}

async function handshake(port: number, servername: string): Promise<{ readonly names: string; readonly fingerprint: string }> {
  const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...(servername === '' ? {} : { servername }) })
  await once(socket, 'secureConnect')
  const { subjectaltname = '', fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return { names: subjectaltname, fingerprint: fingerprint256 }
}

const shownFor = async (port: number, name: string): Promise<string> => (await handshake(port, name)).names
const fingerprintFor = async (port: number, name: string): Promise<string> => (await handshake(port, name)).fingerprint

export function tunnels(make: MakeBalancer): void {
  it('a WebSocket goes through, and survives changes of the table, also of listeners', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const echo = await echoServer(bed)
    await bed.start(simple(port, [echo.upstream]))
    const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`)
    await once(socket, 'open')
    const say = async (text: string): Promise<string> => {
      const heard = once(socket, 'message')
      socket.send(text)
      return String((await heard)[0])
    }
    assert.equal(await say('one'), 'one')
    assert.equal((await bed.balancer.observe()).upstreams.get(echo.upstream.id)?.active, 1)
    const plain = await bed.serve()
    await bed.balancer.apply(simple(port, [plain.upstream, draining(echo.upstream)]))
    assert.equal(await say('two'), 'two')
    await bed.balancer.apply(
      table([listener(port), listener(await bed.freePort())], [pool([plain.upstream, draining(echo.upstream)])]),
    )
    assert.equal(await say('three'), 'three')
    assert.equal((await bed.balancer.observe()).upstreams.get(echo.upstream.id)?.active, 1)
    await bed.balancer.apply(table([listener(port), listener(await bed.freePort())], [pool([plain.upstream])]))
    assert.equal(await say('four'), 'four')
    await bed.balancer.apply(table([listener(await bed.freePort())], [pool([plain.upstream])]))
    assert.equal(await say('five'), 'five', 'its own listener has gone')
    const closed = once(socket, 'close')
    socket.close()
    await closed
  })

  it('a WebSocket to a dead upstream is 502 or 503, and soon', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    await bed.start(simple(port, [makeUpstream(91, await bed.freePort())]))
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
    socket.on('error', () => undefined)
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
    assert.ok(response.statusCode === 502 || response.statusCode === 503, String(response.statusCode))
    socket.terminate()
  })

  it('raw TCP goes both ways, whoever speaks first, and survives changes', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const id = asServiceName('db')
    const echo = await bed.tcp((socket) => {
      socket.write('hello ')
      socket.on('data', (chunk) => socket.write(`<${chunk.toString()}>`))
    })
    const rules: readonly Rule[] = [{ domain: null, path: '/', action: toPool(id) }]
    const raw = (upstreams: readonly (typeof echo.upstream)[]): ReturnType<typeof table> =>
      table([listener(port, { protocol: 'tcp', rules })], [pool(upstreams, { id, protocol: 'tcp' })])
    await bed.start(raw([echo.upstream]))
    const socket = connect(port, '127.0.0.1')
    let heard = ''
    socket.on('data', (chunk) => (heard += chunk.toString()))
    await until('the greeting', 3000, () => heard === 'hello ')
    socket.write('a')
    await until('the echo', 3000, () => heard === 'hello <a>')
    const another = await bed.tcp((other) => void other.end('another'))
    await bed.balancer.apply(raw([draining(echo.upstream), another.upstream]))
    assert.equal(await rawExchange(port, ''), 'another')
    socket.write('b')
    await until('the echo after the change', 3000, () => heard === 'hello <a><b>')
    assert.equal((await bed.balancer.observe()).upstreams.get(echo.upstream.id)?.active, 1)
    socket.destroy()
    await until('it has nothing', 3000, async () => (await bed.balancer.observe()).upstreams.get(echo.upstream.id)?.active === 0)
  })
}

async function echoServer(bed: Bed): Promise<TcpUpstream> {
  const sockets = new WebSocketServer({ noServer: true })
  return await bed.serve(undefined, (request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
    }),
  )
}
