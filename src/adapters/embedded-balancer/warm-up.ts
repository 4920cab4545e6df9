/**
 * Two requests to ourselves before the privileges go: undici reads the rest of its program (the parser, as WebAssembly) with the first
 * answer that it hears, and by then it might not be allowed to.
 */

import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { upstreamId } from '../../core/balance/table.ts'
import { asEpoch, asServiceName, slotId } from '../../core/model/id.ts'
import { close, UpstreamState } from './upstreams/upstream.ts'

const limitMs = 5000

export async function warmUp(): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const [slot, epoch] = [slotId(asServiceName('itself'), 0), asEpoch(1)]
  const upstream = new UpstreamState({
    id: upstreamId(slot, epoch),
    slot,
    epoch,
    host: '127.0.0.1',
    port,
    state: 'active',
    isCanary: false,
  })
  for (const body of [null, Readable.from([Buffer.from('x')])]) {
    const connection = upstream.open(null)
    const method: Dispatcher.HttpMethod = body === null ? 'GET' : 'POST'
    const headers = body === null ? [] : ['content-length', '1']
    const done = Promise.withResolvers<void>()
    const timer = setTimeout(() => done.reject(new Error('no answer from ourselves')), limitMs)
    connection.client.dispatch(
      { path: '/', method, headers, body },
      {
        onRequestStart: ignore,
        onResponseStart: ignore,
        onResponseData: ignore,
        onResponseEnd: () => done.resolve(),
        onResponseError: (_, error) => done.reject(error),
      },
    )
    await done.promise
    clearTimeout(timer)
    close(connection)
  }
  server.close()
}

const ignore = (): void => undefined
