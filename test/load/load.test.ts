import assert from 'node:assert/strict'
import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { appendFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { cleanUp, makeWorkshop } from '../clean-up.ts'
import { Histogram } from './histogram.ts'
import { settle } from './ledger.ts'
import { startLoad, type LoadOptions, type LoadResult } from './load.ts'
import { startUpstream } from './upstream.ts'

describe('the histogram of latencies', () => {
  it('has each percentile to 2 percent, and the largest exactly', () => {
    const histogram = new Histogram()
    for (let value = 1; value <= 100_000; value += 1) histogram.add(value / 100)
    const { count, mean, p50, p90, p99, p999, max } = histogram.summarise()
    assert.equal(count, 100_000)
    assert.equal(max, 1000)
    assert.ok(Math.abs(mean - 500.005) < 0.01)
    for (const [found, exact] of [
      [p50, 500],
      [p90, 900],
      [p99, 990],
      [p999, 999],
    ] as const)
      assert.ok(found >= exact * 0.999 && found <= exact * 1.02, `${found} for ${exact}`)
  })

  it('has nothing to say of nothing', () => {
    assert.deepEqual(new Histogram().summarise(), { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 })
  })
})

describe('the load generator', () => {
  it('sends its rate, and finds every POST executed exactly once', async (t) => {
    const ledger = workshopFile(t, 'ledger')
    await using upstream = await startUpstream({ LEDGER: ledger, DARUMA_SLOT: 'web/0', DARUMA_EPOCH: '7' })
    await using load = await startLoad({ port: upstream.port, rate: 500, seconds: 1, postShare: 0.2 })
    load.mark('second half')
    const result = await load.result
    assert.equal(result.sent, 501)
    assert.equal(result.answered, 501)
    assert.equal(result.posts, 100)
    assert.deepEqual(result.answeredBy, { 'web/0#7': 501 })
    assert.deepEqual(
      result.phases.map(({ name }) => name),
      ['start', 'second half'],
    )
    assert.equal(
      result.phases.reduce((sum, { latencyMs }) => sum + latencyMs.count, 0),
      501,
    )
    assert.deepEqual(settle(result, ledger), { repeated: [], lost: [], doneButFailed: 0, executed: 100 })
  })

  it('finds a POST that was executed twice, and one that was not', async (t) => {
    const ledger = workshopFile(t, 'ledger')
    const result = { run: 'abcd', posts: 3, failed: 0, failures: [] } as unknown as LoadResult
    appendFileSync(ledger, 'abcd-p0 web/0 7 1\nabcd-p2 web/0 7 1\nother-p1 web/0 7 1\nabcd-p2 web/1 8 2\n')
    assert.deepEqual(settle(result, ledger), {
      repeated: [{ id: 'abcd-p2', times: 2 }],
      lost: ['abcd-p1'],
      doneButFailed: 0,
      executed: 2,
    })
  })

  it('counts a latency from the moment at which the request was due, not from when it could be sent', async () => {
    await using upstream = await startUpstream({})
    const result = await run({ port: upstream.port, path: '/?ms=200', rate: 20, seconds: 0.5, connections: 1 })
    // Eleven requests, one after the other, 200 ms each, due every 50 ms: the last one waits for all of the others.
    assert.ok(result.latencyMs.max >= 11 * 200 - 500 - 1, `${result.latencyMs.max} ms`)
  })

  it('goes on sending while nobody answers, and gives up each request at its time', async (t) => {
    const silent = await serve(t, () => {})
    const result = await run({ ...silent, rate: 100, seconds: 0.5, timeoutMs: 300, connections: 10 })
    assert.deepEqual([result.sent, result.failed], [51, 51])
    for (const { what } of result.failures) assert.equal(what, 'timeout')
  })

  it('stops when it is told to, and reports', async () => {
    await using upstream = await startUpstream({})
    await using load = await startLoad({ port: upstream.port, rate: 100, seconds: 600 })
    const result = await load.stop()
    assert.equal(result.failed, 0)
    assert.ok(result.sent > 0 && result.sent < 60_000)
  })

  it('does not count it as a failure that an idle connection was closed', async (t) => {
    const closing = await serve(t, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', () => void sleep(20).then(() => socket.end()))
    })
    const result = await run({ ...closing, rate: 5, seconds: 1 })
    assert.deepEqual([result.failed, result.answered], [0, 6])
    assert.ok(result.connections.closedIdle > 0)
  })

  const broken: readonly (readonly [string, string, string | null])[] = [
    ['wait', 'closed', ''],
    ['head', 'closed', 'HTTP/1.1 200 OK\r\nContent-'],
    ['body', 'closed', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'],
    ['body', 'closed', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'],
    ['malformed', 'no status line: "hello"', 'hello\r\n\r\n'],
    ['malformed', 'bytes after the answer', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n'],
    ['foreign', 'another', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-load-id: another\r\n\r\n'],
    ['status', '503', 'HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n'],
    ['connect', 'ECONNREFUSED', null],
  ]
  for (const [phase, what, answer] of broken) {
    it(`calls it ${phase}: ${JSON.stringify(answer)}`, async (t) => {
      const server = await serve(t, (socket) => socket.end(answer ?? ''))
      if (answer === null) await server.close()
      const result = await run({ ...server, rate: 10, seconds: 0.1 })
      assert.ok(result.failed > 0)
      for (const failure of result.failures) assert.deepEqual([failure.phase, failure.what], [phase, what])
    })
  }
})

describe('the counting upstream', () => {
  it('finishes what it has when it is asked to end', async (t) => {
    const ledger = workshopFile(t, 'ledger')
    await using upstream = await startUpstream({ LEDGER: ledger })
    await using load = await startLoad({ port: upstream.port, path: '/?ms=300', rate: 10, seconds: 0.1, postShare: 1 })
    const code = upstream.drain()
    const result = await load.result
    assert.deepEqual([await code, result.failed], [0, 0])
    assert.deepEqual(settle(result, ledger).lost, [])
  })
})

async function run(options: LoadOptions): Promise<LoadResult> {
  await using load = await startLoad(options)
  return await load.result
}

/** Says the same to anything that sends something. */
async function serve(
  t: TestContext,
  hear: (socket: Socket) => void,
): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', () => hear(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const close = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  t.after(() => server.close())
  return { port, close }
}

function workshopFile(t: TestContext, name: string): string {
  const workshop = makeWorkshop()
  t.after(() => cleanUp(workshop, join(workshop, 'state')))
  appendFileSync(join(workshop, name), '')
  return join(workshop, name)
}
