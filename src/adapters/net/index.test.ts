import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { hangLimit } from '../../../test/hang-limit.ts'
import type { Check } from '../../core/model/service.ts'
import type { ProbeResult } from '../../ports/net.ts'
import { createNet } from './index.ts'
import { freePort } from '../../../test/free-ports.ts'

const net = createNet({ version: '1.2.3' })
const http = (path: string): Extract<Check, { kind: 'http' }> => ({ kind: 'http', path, port: null, host: null })

describe('an http probe', () => {
  for (const [status, ok] of [
    [200, true],
    [204, true],
    [302, true],
    [399, true],
    [400, false],
    [404, false],
    [500, false],
    [599, false],
  ] as const) {
    it(`calls ${status} ${ok ? 'a success' : 'a failure'}`, async (t) => {
      const port = await listen(
        t,
        createHttpServer((_, response) => response.writeHead(status).end()),
      )
      assert.deepEqual(await net.probe(http('/healthz'), port, 1000), {
        ok,
        detail: `GET http://127.0.0.1:${port}/healthz → ${status}`,
      })
    })
  }

  it('sends one plain request with its host and who it is', async (t) => {
    const requests: unknown[] = []
    const port = await listen(
      t,
      createHttpServer((request, response) => {
        requests.push([request.method, request.url, request.httpVersion, request.headers])
        response.end()
      }),
    )
    assert.ok((await net.probe(http('/a?b=c%20d'), port, 1000)).ok)
    const headers = { host: `127.0.0.1:${port}`, 'user-agent': 'daruma/1.2.3', accept: '*/*', connection: 'close' }
    assert.deepEqual(requests, [['GET', '/a?b=c%20d', '1.1', headers]])
  })

  it('cannot be made to send a line of its own, whatever path and host say', async (t) => {
    const received: string[] = []
    const port = await serve(t, (socket) =>
      socket.on('data', (data) => {
        received.push(data.toString())
        socket.end('HTTP/1.1 200 OK\r\n\r\n')
      }),
    )
    assert.ok((await net.probe(http('/a b\r\nX-Evil: 1\r\n\r\n日#x'), port, 1000)).ok)
    const [request = ''] = received
    assert.equal(request.split('\r\n')[0], 'GET /a%20b%0D%0AX-Evil:%201%0D%0A%0D%0A%E6%97%A5%23x HTTP/1.1')
    assert.equal(request.split('\r\n').length, 7)
    const { ok } = await net.probe({ ...http('/'), host: '127.0.0.1\r\nX-Evil: 1' }, port, 500)
    assert.ok(!ok)
    assert.ok(received.every((text) => !/^X-Evil/m.test(text)))
  })

  it("shows the beginning of a failure's body on one line, chunked or not", async (t) => {
    const port = await listen(
      t,
      createHttpServer((request, response) => {
        response.writeHead(503)
        if (request.url === '/chunks') response.write('starting:\n')
        if (request.url === '/chunks') setImmediate(() => response.end('\tdatabase \u001B[31mmissing'))
        else response.end('x'.repeat(5000))
      }),
    )
    assert.deepEqual(await net.probe(http('/chunks'), port, 1000), {
      ok: false,
      detail: `GET http://127.0.0.1:${port}/chunks → 503 "starting: database [31mmissing"`,
    })
    const { detail } = await net.probe(http('/long'), port, 1000)
    assert.match(detail, /→ 503 "x{199}…"$/)
    assert.ok(detail.length < 300)
  })

  it('passes over announcements and takes an answer that comes byte by byte', async (t) => {
    const answer = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy'
    const port = await serve(t, (socket) => {
      let at = 0
      const send = (): void => {
        if (at === answer.length || socket.destroyed) return
        socket.write(answer[at]!, () => setImmediate(send))
        at += 1
      }
      socket.once('data', send)
    })
    assert.deepEqual(await net.probe(http('/'), port, 2000), { ok: false, detail: `GET http://127.0.0.1:${port}/ → 503 "busy"` })
  })

  it('fails in time when a server accepts and hangs, before or within its answer', async (t) => {
    const silent = await serve(t, () => undefined)
    assert.deepEqual(await timed(net.probe(http('/'), silent, 150)), {
      ok: false,
      detail: `GET http://127.0.0.1:${silent}/ → no answer within 0.15 s`,
    })
    const half = await serve(t, (socket) => socket.write('HTTP/1.1 500 Oh\r\nContent-Length: 10\r\n\r\nhalf'))
    assert.deepEqual(await timed(net.probe(http('/'), half, 150)), {
      ok: false,
      detail: `GET http://127.0.0.1:${half}/ → 500 "half"`,
    })
  })

  it('says what came when it is not HTTP', async (t) => {
    for (const [sent, shown] of [
      ['SSH-2.0-OpenSSH\r\n', '"SSH-2.0-OpenSSH"'],
      ['HTTP/2 200 OK\r\n\r\n', '"HTTP/2 200 OK"'],
      ['\u0000\u0001\u0002', '""'],
    ] as const) {
      const port = await serve(t, (socket) => socket.end(sent))
      assert.deepEqual(await net.probe(http('/'), port, 1000), {
        ok: false,
        detail: `GET http://127.0.0.1:${port}/ → answered something that is not HTTP: ${shown}`,
      })
    }
  })

  it('reads a bounded part of an answer without end', async (t) => {
    const sent = { bytes: 0 }
    const forever =
      (head: string) =>
      (socket: Socket): void => {
        socket.write(head)
        const send = (): void => {
          if (socket.destroyed) return
          sent.bytes += 16_384
          socket.write('y'.repeat(16_384), () => setImmediate(send))
        }
        send()
      }
    const good = await serve(t, forever('HTTP/1.1 200 OK\r\n\r\n'))
    assert.ok((await timed(net.probe(http('/'), good, 1000))).ok)
    const bad = await serve(t, forever('HTTP/1.1 500 Oh\r\n\r\n'))
    assert.match((await timed(net.probe(http('/'), bad, 1000))).detail, /→ 500 "y+…"$/)
    const headers = await serve(t, forever('HTTP/1.1 500 Oh\r\nX: '))
    assert.match((await timed(net.probe(http('/'), headers, 1000))).detail, /→ 500$/)
    const line = await serve(t, forever('HTTP/1.'))
    assert.match((await timed(net.probe(http('/'), line, 1000))).detail, /not HTTP/)
  })

  it('names a refused, a reset and an empty connection', async (t) => {
    const reset = await serve(t, (socket) => socket.resetAndDestroy())
    const empty = await serve(t, (socket) => socket.end())
    const closed = await freePort()
    const outcome = async (port: number): Promise<string> => (await net.probe(http('/'), port, 1000)).detail.split(' → ')[1] ?? ''
    assert.equal(await outcome(closed), 'connection refused')
    assert.match(await outcome(reset), /^connection reset$/)
    assert.equal(await outcome(empty), 'the connection was closed without an answer')
  })

  it("goes to the check's own port and host where it names them", async (t) => {
    const port = await listen(
      t,
      createHttpServer((_, response) => response.end()),
    )
    const { ok, detail } = await net.probe({ kind: 'http', path: '/', port, host: 'localhost' }, 1, 1000)
    assert.deepEqual({ ok, detail }, { ok: true, detail: `GET http://localhost:${port}/ → 200` })
  })

  it('lets the server finish a longer answer instead of resetting the connection', async (t) => {
    const errors: unknown[] = []
    let finished = 0
    const server = createHttpServer((_, response) => {
      response.writeHead(200).write('x'.repeat(1000))
      response.once('finish', () => (finished += 1))
      setImmediate(() => response.end('y'.repeat(20_000)))
    })
    server.on('clientError', (error) => errors.push(error))
    const port = await listen(t, server)
    for (let n = 0; n < 5; n += 1) assert.ok((await net.probe(http('/'), port, 1000)).ok)
    server.close()
    await once(server, 'close')
    assert.deepEqual({ errors, finished }, { errors: [], finished: 5 })
  })

  it('costs less than 0.3 ms of CPU: 50 a second stay below 1.5 % of a core', async (t) => {
    const port = await serve(t, (socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')),
    )
    const probeMany = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n += 1) assert.ok((await net.probe(http('/healthz'), port, 1000)).ok)
    }
    await probeMany(500)
    const before = process.cpuUsage()
    await probeMany(1000)
    const { user, system } = process.cpuUsage(before)
    t.diagnostic(`${((user + system) / 1e6).toFixed(3)} ms a probe, its server included`)
    // The server of this test runs in the same process and costs as much again.
    assert.ok((user + system) / 1e6 < 0.6)
  })
})

describe('a tcp probe', () => {
  it('succeeds where a connection is accepted, and names a refused one', async (t) => {
    const port = await serve(t, () => undefined)
    assert.deepEqual(await net.probe({ kind: 'tcp', port: null }, port, 1000), {
      ok: true,
      detail: `TCP 127.0.0.1:${port} → connected`,
    })
    const closed = await freePort()
    assert.deepEqual(await net.probe({ kind: 'tcp', port: closed }, port, 1000), {
      ok: false,
      detail: `TCP 127.0.0.1:${closed} → connection refused`,
    })
  })
})

describe('a port', () => {
  it('is free exactly while nobody listens on it, whatever the address', async () => {
    for (const host of ['127.0.0.1', '127.0.0.2', '0.0.0.0', '::1', '::']) {
      const server = createServer()
      server.listen({ port: 0, host, ipv6Only: host.includes(':') })
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      assert.equal(await net.isPortFree(port), false, host)
      assert.match(net.holderOf(port) ?? '', new RegExp(`\\(pid ${process.pid}\\)$`), host)
      server.close()
      await once(server, 'close')
      assert.equal(await net.isPortFree(port), true, host)
    }
  })

  it('is still free after it was asked for many times at once', async () => {
    const port = await freePort()
    for (let n = 0; n < 20; n += 1) assert.equal(await net.isPortFree(port), true)
  })
})

async function listen(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

function serve(t: TestContext, answer: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    answer(socket)
  })
  return listen(t, server)
}

/** The result; one that never comes is a hang. */
async function timed(probe: Promise<ProbeResult>): Promise<ProbeResult> {
  const start = performance.now()
  const result = await probe
  assert.ok(performance.now() - start < hangLimit(2000))
  return result
}
