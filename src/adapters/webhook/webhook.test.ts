/** Against a real server on loopback that does all that servers do. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { test } from 'node:test'

import type { DeliveryAnswer } from '../../ports/notices/deliver.ts'
import { createWebhooks } from './index.ts'

const webhooks = createWebhooks({ version: '1.2.3' })

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void

async function served(handler: Handler, use: (url: string) => Promise<void>): Promise<void> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => handler(request, response, Buffer.concat(chunks).toString()))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?a=1`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const post = (url: string, over: { readonly headers?: Record<string, string>; readonly timeoutMs?: number } = {}) =>
  webhooks.post({ url, headers: {}, body: '{"a":"ü"}\n', timeoutMs: 120_000, ...over })

async function answered(handler: Handler, timeoutMs?: number): Promise<DeliveryAnswer> {
  let answer: DeliveryAnswer | null = null
  await served(handler, async (url) => {
    answer = await post(url, timeoutMs === undefined ? {} : { timeoutMs })
  })
  return answer!
}

test('a notice is one POST of JSON with the headers that were asked for', async () => {
  const seen: unknown[] = []
  await served(
    ({ method, url, headers }, response, body) => {
      const { authorization, 'content-type': type, 'user-agent': agent, 'content-length': length } = headers
      seen.push({ method, url, authorization, type, agent, length, body })
      response.writeHead(204).end()
    },
    async (url) => {
      assert.deepEqual(await post(url, { headers: { authorization: 'Bearer x' } }), { isTaken: true, message: '204' })
    },
  )
  assert.deepEqual(seen, [
    {
      method: 'POST',
      url: '/hook?a=1',
      authorization: 'Bearer x',
      type: 'application/json',
      agent: 'daruma/1.2.3',
      length: '11',
      body: '{"a":"ü"}\n',
    },
  ])
})

test('another status is not taken, and its first words are told', async () => {
  const answer = await answered((_request, response) => response.writeHead(500).end('no such\n  channel'))
  assert.deepEqual(answer, { isTaken: false, message: '500 "no such channel"' })
})

test('a redirect is not followed: what is in the headers is meant for nobody else', async () => {
  let asked = 0
  await served(
    (_request, response) => {
      asked += 1
      response.writeHead(307, { location: '/elsewhere' }).end()
    },
    async (url) => {
      const answer = await post(url, { headers: { authorization: 'Bearer x' } })
      assert.equal(answer.isTaken, false)
      assert.match(answer.message, /^307: redirects are not followed/)
    },
  )
  assert.equal(asked, 1)
})

test('a server that never answers, that hangs up, or is not there, is told in words', async () => {
  assert.deepEqual(await answered(() => undefined, 300), { isTaken: false, message: 'no answer within 0.3 s' })
  assert.deepEqual(await answered((request) => request.socket.destroy()), {
    isTaken: false,
    message: 'the connection was closed without an answer',
  })
  const holder = createTcpServer()
  holder.listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as AddressInfo
  holder.close()
  await once(holder, 'close')
  assert.deepEqual(await post(`http://127.0.0.1:${port}/`), {
    isTaken: false,
    message: 'nothing listens there (connection refused)',
  })
})

test('the status is the verdict, though the body breaks off, never ends, or is endless', async () => {
  const taken = { isTaken: true, message: '200' }
  assert.deepEqual(await answered((_request, response) => void response.writeHead(200).write('a'), 500), taken)
  const cut = await answered((request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('half', () => request.socket.destroy())
  })
  assert.deepEqual(cut, { isTaken: true, message: '200 "half"' })
  // The server is restarted behind its answer, or writes nonsense after it: the request itself fails then.
  const reset = await answered((request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('half', () => request.socket.resetAndDestroy())
  })
  assert.deepEqual(reset, { isTaken: true, message: '200 "half"' })
  const broken = await answered(({ socket }) => {
    socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nno length\r\n')
  })
  assert.deepEqual(broken, { isTaken: true, message: '200 "half"' })
  const endless = await answered((_request, response) => {
    const write = (): void => void (response.destroyed || response.write('x'.repeat(1000), () => setImmediate(write)))
    response.writeHead(200)
    write()
  })
  assert.equal(endless.isTaken, true)
  assert.ok(endless.message.length < 300)
})

test('a header that cannot be sent is named, and its value is not', async () => {
  const answer = await post('http://127.0.0.1:1/', { headers: { authorization: 'geheim\nnis' } })
  assert.deepEqual(answer, { isTaken: false, message: 'the value of a header has a character that no header may have' })
  assert.deepEqual(await post('http://[nowhere/'), { isTaken: false, message: 'the address is not a URL' })
})
