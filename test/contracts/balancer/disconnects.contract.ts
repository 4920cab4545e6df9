/**
 * Of the balancer's contract: upstreams that close their idle connections, as every server does after a while. A request may be on its
 * way at that very moment, and nobody can tell whether it was carried out: what cannot be sent again must not depend on it.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, request, type IncomingMessage } from 'node:http'
import { it } from 'node:test'
import {
  listener,
  makeUpstream,
  openBed,
  pool,
  simple,
  table,
  type Bed,
  type MakeBalancer,
  type TcpUpstream,
} from '../../support/balancer-bed.ts'
import { startLoad } from '../../support/keep-alive-load.ts'
import { until } from '../../processes.ts'

export function disconnects(make: MakeBalancer): void {
  for (const [how, sendProxy] of [
    ['', false],
    [', with the PROXY protocol too', true],
  ] as const)
    it(`an upstream closes each idle connection just as a request comes over it: none fails, and each is executed once${how}`, async () => {
      await using bed = openBed(make)
      const [port, upstream] = [await bed.freePort(), await oneEach(bed)]
      await bed.start(table([listener(port)], [pool([upstream.upstream], { sendProxy })]))
      const load = startLoad({ port, perSecond: 200, connections: 8 })
      await until('enough was sent', 20_000, () => load.sent() > 200)
      const { sent, failures } = await load.end()
      assert.deepEqual(failures, [])
      assert.deepEqual(upstream.executed.toSorted(), sent.toSorted())
    })

  it('an upstream that keeps idle connections for a few milliseconds loses nothing either', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const executed: string[] = []
    const server = createServer((asked, response) => {
      asked.resume().on('end', () => {
        executed.push(String(asked.headers['x-request-id']))
        response.end('done')
      })
    })
    server.keepAliveTimeout = 5
    server.keepAliveTimeoutBuffer = 0
    await once(server.listen(0, '127.0.0.1'), 'listening')
    try {
      const address = server.address()
      assert.ok(address !== null && typeof address === 'object')
      await bed.start(simple(port, [makeUpstream(0, address.port)]))
      const load = startLoad({ port, perSecond: 400, connections: 8 })
      await until('enough was sent', 20_000, () => load.sent() > 400)
      const { sent, failures } = await load.end()
      assert.deepEqual(failures, [])
      assert.deepEqual(executed.toSorted(), sent.toSorted())
    } finally {
      server.close()
      server.closeAllConnections()
    }
  })

  it('nor does one lose what is too long to be sent again, or of a length that nobody knows', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await oneEach(bed)]
    await bed.start(simple(port, [upstream.upstream]))
    using client = oneClient(port)
    const long = 'x'.repeat(300_000)
    const asked = [
      ['GET', ''],
      ['PUT', long],
      ['GET', ''],
      ['POST', long],
      ['GET', ''],
      ['DELETE', long],
      ['GET', ''],
      ['PUT', ['a', 'b']],
    ] as const
    for (const [index, [method, body]] of asked.entries())
      assert.equal((await client.ask(method, String(index), body)).statusCode, 200, `${method}, number ${index}`)
    assert.deepEqual(
      upstream.executed,
      asked.map((_, index) => String(index)),
    )
  })

  it('a connection for one request is closed behind it, which neither its client nor the upstream is told', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await oneEach(bed)]
    await bed.start(simple(port, [upstream.upstream]))
    using client = oneClient(port)
    for (let index = 0; index < 20; index += 1) {
      const answer = await client.ask('POST', String(index), 'hello')
      assert.deepEqual([answer.statusCode, answer.headers.connection ?? 'keep-alive'], [200, 'keep-alive'])
    }
    assert.equal(client.connections(), 1)
    assert.equal(upstream.heads.length, 20)
    assert.doesNotMatch(upstream.heads.join(''), /connection: *close/i)
    // Well before anything that is idle is let go: HAProxy looks after a second.
    await until('nothing is left open', 1000, () => upstream.open() === 0)
  })
}

interface OneEach extends TcpUpstream {
  readonly executed: string[]
  readonly heads: string[]
  /** Connections that nobody has closed. */
  open(): number
}

/** Answers one request of each connection, keeps it open, and closes it on the first byte of the next: no clock could be as cruel. */
async function oneEach(bed: Bed): Promise<OneEach> {
  const executed: string[] = []
  const heads: string[] = []
  let [connections, open] = [0, 0]
  const { upstream } = await bed.tcp((socket) => {
    const isRude = (connections += 1) % 2 === 0
    let [heard, isAnswered] = ['', false]
    open += 1
    socket.on('close', () => (open -= 1))
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      if (isAnswered) return isRude ? void socket.resetAndDestroy() : void socket.destroy()
      heard += text
      const head = /^(?:[^]{12}\x21[^]{15})?([A-Z]+ [^]*?\r\n)\r\n([^]*)$/.exec(heard)
      if (head === null || !isWhole(head[1] ?? '', head[2] ?? '')) return
      isAnswered = true
      heads.push(head[1] ?? '')
      executed.push(/^x-request-id: (\S+)/im.exec(head[1] ?? '')?.[1] ?? '')
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
  })
  return { upstream, executed, heads, open: () => open }
}

function isWhole(head: string, body: string): boolean {
  if (/^transfer-encoding: chunked/im.test(head)) return body.endsWith('0\r\n\r\n')
  return body.length >= Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
}

interface OneClient extends Disposable {
  /** A body in pieces is sent in chunks. */
  ask(method: string, id: string, body: string | readonly string[]): Promise<IncomingMessage>
  connections(): number
}

/** Asks over one connection, one after the other. */
function oneClient(port: number): OneClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const sockets = new Set<unknown>()
  return {
    connections: () => sockets.size,
    ask: async (method, id, body) => {
      const length = typeof body === 'string' ? { 'content-length': body.length } : { 'transfer-encoding': 'chunked' }
      const asking = request({ port, agent, method, headers: { 'x-request-id': id, ...length } })
      asking.on('socket', (socket) => sockets.add(socket))
      const answered = once(asking, 'response') as Promise<[IncomingMessage]>
      for (const piece of typeof body === 'string' ? [] : body) asking.write(piece)
      asking.end(typeof body === 'string' ? body : undefined)
      const [answer] = await answered
      await once(answer.resume(), 'end')
      return answer
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}
