/** What an HTTP proxy must get right about where messages begin and end, said byte for byte on both sides of the embedded balancer. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { until } from '../../../test/processes.ts'
import { attack, open, statusesIn } from '../../../test/support/attacker.ts'
import { listener, openBed, pool, rawExchange, simple, table, toPool, type Bed } from '../../../test/support/balancer-bed.ts'
import { asServiceName } from '../../core/model/id.ts'
import { createEmbeddedBalancer } from './index.ts'

const openEmbedded = (): Bed => openBed((stateDirectory) => createEmbeddedBalancer({ stateDirectory, node: process.execPath }))

const host = 'Host: a.test\r\n'
const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4)

/** An upstream that hears bytes and says bytes. Every request ends with an empty line or the text that `isWhole` waits for. */
async function serveRaw(bed: Bed, answer: string, isWhole = (text: string): boolean => text.includes('\r\n\r\n')) {
  const heard: string[] = []
  const raw = await bed.tcp((socket: Socket) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (!isWhole(text)) return
      heard.push(text)
      text = ''
      socket.write(answer, 'latin1')
      if (!/content-length|transfer-encoding|^HTTP\/1\.1 [23]04/im.test(answer)) socket.end()
    })
  })
  return { heard, upstream: raw.upstream }
}

describe('Framing in the embedded balancer:', () => {
  it('an answer in chunks stays in chunks, with its trailers', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const { upstream } = await serveRaw(
      bed,
      'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 42\r\n\r\n',
    )
    await bed.start(simple(port, [upstream]))
    const answer = await rawExchange(port, `GET / HTTP/1.1\r\n${host}Connection: close\r\n\r\n`)
    assert.match(answer, /^transfer-encoding: chunked\r$/im)
    assert.match(answer, /0\r\nX-Sum: 42\r\n\r\n$/)
    assert.equal(answer.match(/transfer-encoding/gi)?.length, 1)
  })

  it('a client of HTTP/1.0 gets no chunks, and the end of the connection as the end', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const { upstream, heard } = await serveRaw(bed, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n')
    await bed.start(simple(port, [upstream]))
    const answer = await rawExchange(port, `GET / HTTP/1.0\r\n${host}\r\n`)
    assert.doesNotMatch(answer, /transfer-encoding/i)
    assert.equal(bodyOf(answer), 'abc')
    assert.match(heard[0] ?? '', /^GET \/ HTTP\/1\.1\r\n/)
  })

  it('an answer that ends with its connection is whole for the client', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const { upstream } = await serveRaw(bed, 'HTTP/1.0 200 OK\r\n\r\nuntil the end')
    await bed.start(simple(port, [upstream]))
    assert.match(await rawExchange(port, `GET / HTTP/1.1\r\n${host}Connection: close\r\n\r\n`), /until the end/)
  })

  it('HEAD, 204 and 304 have no body, whatever length they tell, and the connection goes on', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const upstream = await bed.serve((request, response) => {
      const status = Number(request.url?.slice(1))
      if (status === 200) response.writeHead(200, { 'content-length': 1234 }).end()
      else response.writeHead(status, { etag: '"x"' }).end()
    })
    await bed.start(simple(port, [upstream.upstream]))
    const requests = ['HEAD /200', 'GET /204', 'GET /304'].map((line) => `${line} HTTP/1.1\r\n${host}\r\n`)
    const answer = await rawExchange(port, `${requests.join('')}HEAD /200 HTTP/1.1\r\n${host}Connection: close\r\n\r\n`)
    assert.deepEqual(statusesIn(answer), [200, 204, 304, 200])
    assert.equal(answer.match(/content-length: 1234/gi)?.length, 2)
    assert.equal(answer.split('\r\n\r\n').length, 5, 'four heads and nothing between them')
  })

  it('a body in chunks goes on in chunks, one with a length with its length', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
    const { upstream, heard } = await serveRaw(bed, answer, (text) => /hello|0\r\n\r\n$/.test(text))
    await bed.start(simple(port, [upstream]))
    const post = async (headers: string, body: string): Promise<string> => {
      await rawExchange(port, `POST / HTTP/1.1\r\n${host}${headers}Connection: close\r\n\r\n${body}`)
      return heard.pop() ?? ''
    }
    const chunked = await post('Transfer-Encoding: chunked\r\n', '2\r\nab\r\n3;ext=1\r\ncde\r\n0\r\n\r\n')
    assert.match(chunked, /^transfer-encoding: chunked\r$/im)
    assert.equal(
      bodyOf(chunked)
        .replace(/\r\n/g, '')
        .replace(/^5abcde|^2ab3cde/, 'abcde'),
      'abcde0',
    )
    const long = await post('Content-Length: 5\r\n', 'hello')
    assert.match(long, /^content-length: 5\r$/im)
    assert.doesNotMatch(long, /transfer-encoding/i)
    assert.equal(bodyOf(long), 'hello')
  })

  it('who asks whether to go on is told to, once the request has a place to go, and the upstream is not asked', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const upstream = await bed.serve((_, response, body) => response.end(body))
    await bed.start(simple(port, [upstream.upstream], { limits: { bodyBytes: 1000 } }))
    const head = (length: number): string =>
      `POST / HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`
    const socket = await open(port)
    let heard = ''
    socket.on('data', (chunk) => (heard += chunk.toString()))
    socket.write(head(5))
    await until('the word to go on', 3000, () => heard.startsWith('HTTP/1.1 100 Continue\r\n\r\n'))
    socket.write('hello')
    await until('the answer', 3000, () => heard.endsWith('hello') || heard.includes('hello\r\n0\r\n'))
    assert.equal(upstream.requests[0]?.headers.expect, undefined)
    assert.deepEqual(statusesIn((await attack(port, head(1001))).text), [413])
    const unknown = await attack(port, `POST / HTTP/1.1\r\n${host}Expect: a miracle\r\nContent-Length: 5\r\n\r\nhello`)
    assert.deepEqual(statusesIn(unknown.text), [417])
  })

  it('a client that has said all and closed its half still gets its answer', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const upstream = await bed.serve((_, response) => void setTimeout(() => response.end('late'), 200))
    await bed.start(simple(port, [upstream.upstream]))
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    let heard = ''
    socket.on('data', (chunk) => (heard += chunk.toString()))
    socket.end(`GET / HTTP/1.1\r\n${host}\r\n`)
    await once(socket, 'end')
    socket.destroy()
    assert.match(heard, /late/)
  })

  it('an answer that breaks off is broken off for the client too, and counted', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const breaking = await bed.tcp((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
        setTimeout(() => socket.destroy(), 50)
      })
    })
    await bed.start(simple(port, [breaking.upstream]))
    const answer = await rawExchange(port, `GET / HTTP/1.1\r\n${host}\r\n`)
    assert.match(answer, /hello/)
    assert.doesNotMatch(answer, /\r\n0\r\n/, 'no end where there was none')
    const observed = await until('it is counted', 5000, async () => {
      const now = await bed.balancer.observe()
      return now.pools.get(asServiceName('web'))?.active === 0 ? now : null
    })
    assert.equal(observed.pools.get(asServiceName('web'))?.failed, 1)
    assert.equal(observed.upstreams.get(breaking.upstream.id)?.failed, 1)
  })

  it('an upstream that says what is no HTTP is 502, and another is asked where that is safe', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const { upstream } = await serveRaw(bed, 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd')
    await bed.start(simple(port, [upstream]))
    assert.deepEqual(
      statusesIn(await rawExchange(port, `POST / HTTP/1.1\r\n${host}Content-Length: 0\r\nConnection: close\r\n\r\n`)),
      [502],
    )
    const good = await bed.serve()
    await bed.balancer.apply(simple(port, [upstream, good.upstream]))
    for (let time = 0; time < 6; time += 1)
      assert.deepEqual(statusesIn(await rawExchange(port, `GET / HTTP/1.1\r\n${host}Connection: close\r\n\r\n`)), [200])
  })

  it('a long body passes through as fast as it is taken, and is sent again only while all of it is in memory', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const lengths: number[] = []
    const good = await bed.serve((_, response, body) => {
      lengths.push(body.length)
      response.end('done')
    })
    // It takes something of the body, and breaks before it has answered.
    const breaking = await bed.tcp((socket) => void setTimeout(() => socket.destroy(), 100))
    await bed.start(table([listener(port)], [pool([good.upstream], { retry: 'all' })]))
    const put = (bytes: number): Promise<string> =>
      rawExchange(port, `PUT / HTTP/1.1\r\n${host}Content-Length: ${bytes}\r\nConnection: close\r\n\r\n${'x'.repeat(bytes)}`)
    assert.deepEqual(statusesIn(await put(5_000_000)), [200])
    await bed.balancer.apply(table([listener(port)], [pool([breaking.upstream], { retry: 'all' })]))
    assert.deepEqual(statusesIn(await put(5_000_000)), [502])
    await bed.balancer.apply(table([listener(port)], [pool([breaking.upstream, good.upstream], { retry: 'all' })]))
    for (let time = 0; time < 4; time += 1) assert.deepEqual(statusesIn(await put(60_000)), [200])
    assert.deepEqual(lengths, [5_000_000, 60_000, 60_000, 60_000, 60_000])
  })

  it('the answer to a handshake of a WebSocket that is none passes as it is', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const { upstream, heard } = await serveRaw(
      bed,
      'HTTP/1.1 401 Who are you\r\nX-Why: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n0\r\n\r\n',
    )
    await bed.start(simple(port, [upstream]))
    const answer = await rawExchange(port, `GET /chat HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 401 Who are you\r\nX-Why: 1\r\n/)
    assert.equal(bodyOf(answer), 'no!')
    assert.match(heard[0] ?? '', /^upgrade: websocket\r$/im)
    const { upstreams } = await bed.balancer.observe()
    assert.equal(upstreams.get(upstream.id)?.active, 0)
  })

  it('raw TCP: who has said all may still listen, in either direction', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const id = asServiceName('db')
    const rules = [{ domain: null, path: '/', action: toPool(id) }]
    const summing = await bed.tcp((socket) => {
      let bytes = 0
      socket.on('data', (chunk) => (bytes += chunk.length))
      socket.on('end', () => setTimeout(() => socket.end(`${bytes} bytes`), 50))
    }, true)
    await bed.start(table([listener(port, { protocol: 'tcp', rules })], [pool([summing.upstream], { id, protocol: 'tcp' })]))
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    let heard = ''
    socket.on('data', (chunk) => (heard += chunk.toString()))
    socket.end('x'.repeat(300_000))
    await once(socket, 'end')
    assert.equal(heard, '300000 bytes')
    await until('nothing is under way', 3000, async () => (await bed.balancer.observe()).connections === 0)
  })
})
