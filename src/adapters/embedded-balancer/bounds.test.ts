/** What strangers can make the embedded balancer hold: by what they send ahead, never finish, or do not read. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { seededRandom } from '../../../test/seeded-random.ts'
import { attack, open, statusesIn } from '../../../test/support/attacker.ts'
import { openBed, rawExchange, simple, statusOf, type Bed } from '../../../test/support/balancer-bed.ts'
import { until } from '../../../test/processes.ts'
import { Balancing } from './balancing.ts'
import { createEmbeddedBalancer } from './index.ts'
import { MemoryBudget, usualBudgetBytes } from './clients/memory-budget.ts'

const openEmbedded = (): Bed => openBed((stateDirectory) => createEmbeddedBalancer({ stateDirectory, node: process.execPath }))
const host = 'Host: a.test\r\n'
const MiB = 2 ** 20

const memoryOf = (bed: Bed): number =>
  (Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${bed.pid()}/status`, 'latin1'))?.[1]) * 1024) / MiB

/** Writes without caring whether it is taken; the sockets end with the test. */
async function crowd(t: TestContext, port: number, count: number, say: (socket: Socket) => void): Promise<readonly Socket[]> {
  const sockets = await Promise.all(Array.from({ length: count }, () => open(port)))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  for (const socket of sockets) say(socket)
  return sockets
}

const get = (port: number): Promise<string> => rawExchange(port, `GET / HTTP/1.1\r\n${host}Connection: close\r\n\r\n`)

describe('The memory of the embedded balancer', () => {
  it('does not grow by what is pipelined: while a request is under way nothing behind it is parsed, or read for long', async (t) => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const silent = await bed.tcp(() => undefined)
    await bed.start(simple(port, [silent.upstream]))
    const before = memoryOf(bed)
    const kinds = [`GET / HTTP/1.1\r\n${host}${'a:b\r\n'.repeat(8000)}\r\n`, `GET / HTTP/1.1\r\nHost:a\r\n\r\n`]
    for (const head of kinds) {
      const bytes = Buffer.from(head.repeat(Math.ceil((4 * MiB) / head.length)), 'latin1')
      const sockets = await crowd(t, port, 3, (socket) => void socket.write(bytes))
      const first = `GET /first HTTP/1.1\r\n${host}\r\n`
      const busy = await crowd(t, port, 3, (socket) => void socket.write(Buffer.concat([Buffer.from(first), bytes])))
      await until('what it reads of that was read', 10_000, async () => {
        const taken = [...sockets, ...busy].map(({ bytesWritten, writableLength }) => bytesWritten - writableLength)
        await new Promise((resolve) => setTimeout(resolve, 200))
        return [...sockets, ...busy].every(
          ({ bytesWritten, writableLength }, index) => bytesWritten - writableLength === taken[index],
        )
      })
      const grown = memoryOf(bed) - before
      assert.ok(grown < 60, `it grew by ${grown.toFixed(0)} MiB`)
    }
  })

  it('counts each byte of a head and each header, whatever they are', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const upstream = await bed.serve()
    await bed.start(simple(port, [upstream.upstream]))
    const headers = (count: number): string => 'a: b\r\n'.repeat(count)
    const ask = async (text: string): Promise<readonly number[]> => statusesIn((await attack(port, text)).text)
    const end = 'Connection: close\r\n\r\n'
    assert.deepEqual(await ask(`GET /256 HTTP/1.1\r\n${host}${headers(254)}${end}`), [200])
    assert.deepEqual(await ask(`GET /257 HTTP/1.1\r\n${host}${headers(255)}${end}`), [431])
    assert.deepEqual(await ask(`GET /many HTTP/1.1\r\n${host}${headers(2500)}${end}`), [431])
    assert.deepEqual(await ask(`${'\r\n'.repeat(9000)}GET /empty-lines HTTP/1.1\r\n${host}${end}`), [431])
    assert.deepEqual(await ask(`GET /unfinished HTTP/1.1\r\n${host}${'a:b\r\n'.repeat(5000)}`), [431])
    assert.deepEqual(upstream.executed, ['/256'])
  })

  it('is bounded over all connections: heads that never end make room for whoever sends a whole one', async (t) => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const upstream = await bed.serve()
    await bed.start(simple(port, [upstream.upstream], { limits: { connections: 20_000, headerTimeoutMs: 60_000 } }))
    const unfinished = Buffer.from(`GET / HTTP/1.1\r\n${host}${`x: ${'y'.repeat(96)}\r\n`.repeat(150)}`)
    const count = Math.ceil((1.3 * usualBudgetBytes) / unfinished.length)
    const sockets = await crowd(t, port, count, (socket) => void socket.write(unfinished))
    const ended = (): number => sockets.filter(({ destroyed, readableEnded }) => destroyed || readableEnded).length
    for (const socket of sockets) socket.resume()
    const least = Math.floor(count * 0.2)
    await until(`at least ${least} of ${count} are ended`, 30_000, () => ended() >= least)
    assert.ok(ended() < count * 0.5, `${ended()} of ${count} were ended`)
    assert.equal(statusOf(await get(port)), 200)
  })

  it('is bounded over all connections: answers that nobody reads are broken off, and those that are read are not', async (t) => {
    await using bed = openEmbedded()
    const [port, large] = [await bed.freePort(), Buffer.alloc(12 * MiB, 'x')]
    const upstream = await bed.serve((request, response) => void response.end(request.url === '/large' ? large : 'ok'))
    const wanted = simple(port, [upstream.upstream])
    const memory = new MemoryBudget(MiB)
    const balancing = new Balancing(wanted, { write: () => undefined, memory })
    t.after(() => balancing.end(0))
    await balancing.apply(wanted)
    const deaf = await crowd(t, port, 40, (socket) => {
      socket.pause()
      socket.write(`GET /large HTTP/1.1\r\n${host}\r\n`)
    })
    await until('some are broken off', 30_000, () => balancing.look().refused > 0)
    const isWhole = (text: string): boolean => text.length > 12 * MiB
    assert.ok(isWhole(await rawExchange(port, `GET /large HTTP/1.1\r\n${host}\r\n`, { isEnough: isWhole, limitMs: 30_000 })))
    assert.equal(statusOf(await get(port)), 200)
    const { connections, refused } = balancing.look()
    assert.ok(refused < deaf.length && connections > 0, `${refused} refused, ${connections} left`)
    for (const socket of deaf) socket.destroy()
    await until('nothing is held', 10_000, () => balancing.look().connections === 0)
    assert.equal(memory.heldBytes, 0)
  })

  it('is the budget’s: whoever stalled first goes first, and what can be done without is not held', () => {
    const budget = new MemoryBudget(100)
    const ended: string[] = []
    const holder = (name: string, bytes: number): { readonly shed: () => void } => ({
      shed: () => {
        ended.push(name)
        budget.release(bytes)
      },
    })
    const [a, b, c, d] = [holder('a', 40), holder('b', 40), holder('c', 40), holder('d', 90)] as const
    budget.hold(40, a)
    budget.hold(40, b)
    budget.stall(b)
    budget.stall(a)
    assert.equal(budget.tryHold(30), false)
    assert.equal(budget.tryHold(20), true)
    budget.release(20)
    budget.hold(40, c)
    assert.deepEqual([ended, budget.heldBytes], [['b'], 80])
    budget.goOn(a)
    budget.hold(90, d)
    assert.deepEqual([ended, budget.heldBytes], [['b', 'd'], 80])
  })
})

describe('Requests in one piece, in pieces, with bodies that look like heads', () => {
  it('are all answered, however many come in one piece behind a slow one: each is parsed when its turn has come', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const upstream = await bed.serve((request, response) => {
      setTimeout(() => response.end(`<${request.url}>`), request.url === '/0' ? 300 : 0)
    })
    await bed.start(simple(port, [upstream.upstream]))
    const paths = Array.from({ length: 100 }, (_, index) => `/${index}`)
    const all = Buffer.from(paths.map((path) => `GET ${path} HTTP/1.1\r\n${host}\r\n`).join(''), 'latin1')
    const answer = await sendInPieces(port, all, () => 0, paths.length)
    assert.deepEqual(
      [...answer.matchAll(/<([^>]*)>/g)].map(([, path]) => path),
      paths,
    )
  })

  it('are answered in their order and with their own bodies, however they are cut', async () => {
    await using bed = openEmbedded()
    const port = await bed.freePort()
    const upstream = await bed.serve((request, response, body) => {
      const answer = `${request.method} ${request.url} ${body.length} ${Buffer.from(body, 'latin1').toString('base64')}`
      setTimeout(() => response.end(`<${answer}>`), request.url?.endsWith('slow') === true ? 20 : 0)
    })
    await bed.start(simple(port, [upstream.upstream]))
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = seededRandom(`pieces ${seed}`)
      const expected: string[] = []
      const requests = Array.from({ length: 1 + Math.floor(random() * 12) }, (_, index) => {
        const text = bodyOf(random)
        const slow = random() < 0.3 ? '-slow' : ''
        const kind = Math.floor(random() * 3)
        const method = kind === 0 ? 'GET' : 'POST'
        const body = kind === 0 ? '' : text
        expected.push(`<${method} /${seed}-${index}${slow} ${body.length} ${Buffer.from(body, 'latin1').toString('base64')}>`)
        const start = `${method} /${seed}-${index}${slow} HTTP/1.1\r\n${host}`
        if (kind === 0) return `${start}\r\n`
        if (kind === 1) return `${start}Content-Length: ${body.length}\r\n\r\n${body}`
        return `${start}Transfer-Encoding: chunked\r\n\r\n${chunked(body, random)}`
      })
      const answer = await sendInPieces(port, Buffer.from(requests.join(''), 'latin1'), random, expected.length)
      const bodies = [...answer.matchAll(/<[^>]*>/g)].map(([body]) => body)
      assert.deepEqual(bodies, expected, `seed ${seed}`)
    }
  })
})

function bodyOf(random: () => number): string {
  const pieces = ['\r\n\r\n', 'GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n', '0\r\n\r\n', 'abc', '\r\n', 'x'.repeat(700), '\r']
  const length = Math.floor(random() * 6)
  return Array.from({ length }, () => pieces[Math.floor(random() * pieces.length)]).join('')
}

function chunked(body: string, random: () => number): string {
  let text = ''
  for (let at = 0; at < body.length;) {
    const length = Math.min(body.length - at, 1 + Math.floor(random() * 400))
    text += `${length.toString(16)}\r\n${body.slice(at, at + length)}\r\n`
    at += length
  }
  return `${text}0\r\n\r\n`
}

async function sendInPieces(port: number, bytes: Buffer, random: () => number, answers: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let text = ''
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  const isWhole = random() < 0.3
  for (let at = 0; at < bytes.length;) {
    const length = isWhole ? bytes.length : 1 + Math.floor(random() * (random() < 0.5 ? 8 : 900))
    socket.write(bytes.subarray(at, at + length))
    at += length
    if (random() < 0.3) await new Promise((resolve) => setImmediate(resolve))
  }
  await until(`${answers} answers`, 20_000, () => (text.match(/<[^>]*>/g) ?? []).length >= answers)
  socket.destroy()
  return text
}
