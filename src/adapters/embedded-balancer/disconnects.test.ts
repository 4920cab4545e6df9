/** How connections of the embedded balancer end: nothing is left of a client that was refused, has vanished, or says no more. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { until } from '../../../test/processes.ts'
import { open } from '../../../test/support/attacker.ts'
import { makeUpstream, openBed, rawExchange, simple, type Bed } from '../../../test/support/balancer-bed.ts'
import { createEmbeddedBalancer } from './index.ts'
import { join } from './requests/tunnel.ts'

const openEmbedded = (): Bed => openBed((stateDirectory) => createEmbeddedBalancer({ stateDirectory, node: process.execPath }))

const handshake = 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

async function nothingIsLeft(bed: Bed): Promise<void> {
  await until('no connection is left', 6000, async () => (await bed.balancer.observe()).connections === 0)
}

/** It neither ends its half nor is destroyed before the test says so. */
async function stubborn(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

describe('Disconnects of the embedded balancer:', () => {
  it('a handshake that was refused keeps no connection, whether its client says more, says nothing or never ends', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    await bed.start(simple(port, [makeUpstream(9, await bed.freePort())]))
    const sockets = await Promise.all([1, 2, 3].map(() => stubborn(port)))
    for (const socket of sockets) {
      const answered = once(socket, 'data')
      socket.write(handshake)
      if (socket !== sockets[0]) socket.write('and more')
      assert.match(String((await answered)[0]), /^HTTP\/1\.1 50[23]/)
    }
    sockets[2]?.end()
    await nothingIsLeft(bed)
    for (const socket of sockets) socket.destroy()
  })

  it('an answer to a handshake keeps no connection either, also when nobody reads it', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const long = 6_000_000
    const upstream = await bed.tcp((socket) => {
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${long}\r\n\r\n${'x'.repeat(long)}`))
    })
    await bed.start(simple(port, [upstream.upstream], { limits: { idleTimeoutMs: 1000 } }))
    const [reading, deaf] = [await stubborn(port), await stubborn(port)]
    reading.resume()
    deaf.pause()
    for (const socket of [reading, deaf]) socket.write(handshake)
    await nothingIsLeft(bed)
    assert.ok(reading.bytesRead > long)
    for (const socket of [reading, deaf]) socket.destroy()
  })

  it('clients that vanish in the middle of a handshake are no failures of the upstream', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    let asked = 0
    const mute = await bed.tcp((socket) => socket.on('data', () => (asked += 1)))
    await bed.start(simple(port, [mute.upstream]))
    for (let time = 1; time <= 5; time += 1) {
      const socket = await open(port)
      socket.write(handshake)
      await until('the upstream is asked', 3000, () => asked === time)
      socket.resetAndDestroy()
    }
    await nothingIsLeft(bed)
    const { upstreams } = await bed.balancer.observe()
    assert.deepEqual(upstreams.get(mute.upstream.id), { requests: 5, failed: 0, active: 0, isEjected: false })
  })

  it('raw TCP: a client that had gone before an upstream was found is not under way for ever', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const server = createServer((each) => void each.on('error', () => undefined).resume()).listen(port, '127.0.0.1')
    await once(server, 'listening')
    const [client, upstream] = [await open(port), await open(port)]
    client.resetAndDestroy()
    await once(client, 'close')
    await new Promise<void>((resolve) => join(client, upstream, 60_000, resolve))
    assert.equal(upstream.destroyed, true)
    server.close()
  })

  it('what belongs to one connection is dropped by every name, however often it is named', async () => {
    await using bed = openEmbedded()
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(simple(port, [upstream.upstream]))
    const named = 'Connection: X-One, close\r\nConnection: x-two, Content-Length,X-Forwarded-For, X-One\r\n'
    const lines = `${named}X-One: 1\r\nX-Two: 2\r\nX-ONE: 3\r\nX-Own: 4\r\nContent_Length: 100000\r\n`
    await rawExchange(port, `POST / HTTP/1.1\r\nHost: a.test\r\n${lines}Content-Length: 2\r\n\r\nok`)
    const headers = upstream.requests[0]?.headers ?? {}
    assert.deepEqual(
      ['x-one', 'x-two', 'x-own', 'content-length', 'content_length', 'x-forwarded-for'].map((name) => headers[name]),
      [undefined, undefined, '4', '2', undefined, '127.0.0.1'],
    )
  })
})
