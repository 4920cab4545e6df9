/** Of the balancer's contract: what clients notice of changes, and of upstreams that fail. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  asCanary,
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
  type MakeBalancer,
} from '../../support/balancer-bed.ts'
import { startLoad } from '../../support/keep-alive-load.ts'
import { until } from '../../processes.ts'
import { asServiceName } from '../../../src/core/model/id.ts'
import type { Rule } from '../../../src/core/balance/table.ts'
import { bodyOf, get } from './ask.contract.ts'

export function changes(make: MakeBalancer): void {
  it('at least fifty changes under load: no request fails, and each is executed exactly once', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const handler = (request: IncomingMessage, response: ServerResponse): void => {
      const delay = Number(new URL(request.url ?? '/', 'http://a').searchParams.get('ms') ?? 0)
      setTimeout(() => response.end('done'), delay)
    }
    const all = [await bed.serve(handler), await bed.serve(handler)]
    let current = [...all]
    await bed.start(
      simple(
        port,
        current.map(({ upstream }) => upstream),
      ),
    )
    const load = startLoad({ port, perSecond: 300, connections: 32 })
    for (let change = 0; change < 25 || load.sent() <= 500; change += 1) {
      const [oldest, ...rest] = current
      assert.ok(oldest !== undefined)
      const fresh = await bed.serve(handler)
      all.push(fresh)
      const stay = [...rest, fresh].map(({ upstream }) => upstream)
      await bed.balancer.apply(simple(port, [...stay, draining(oldest.upstream)]))
      await until('the drained one is done', 5000, async () => {
        const { upstreams } = await bed.balancer.observe()
        return (upstreams.get(oldest.upstream.id)?.active ?? 0) === 0
      })
      // Stopped as hard as can be: whatever still went to it would be lost.
      await oldest.close()
      await bed.balancer.apply(simple(port, stay))
      current = [...rest, fresh]
    }
    const { sent, failures } = await load.end()
    assert.deepEqual(failures, [])
    assert.deepEqual(all.flatMap(({ executed }) => executed).toSorted(), sent.toSorted())
  })

  it('new listeners, pools and settings come while clients go on: nothing fails, idle connections included', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    const other = await bed.serve((_, response) => void response.end('other'))
    const { upstream: target } = upstream
    await bed.start(simple(port, [target]))
    const load = startLoad({ port, perSecond: 200, connections: 64 })
    const ports = [await bed.freePort(), await bed.freePort(), await bed.freePort()]
    for (const [index, extra] of ports.entries()) {
      await sleep(300)
      const id = asServiceName(`more-${index}`)
      const rules: readonly Rule[] = [{ domain: null, path: '/', action: toPool(id) }]
      await bed.balancer.apply(
        table([listener(port), listener(extra, { rules })], [pool([other.upstream], { id }), pool([target])], {
          limits: { headerBytes: 8192 + 1024 * index },
        }),
      )
      assert.equal(bodyOf(await get(extra)), 'other')
    }
    await bed.balancer.apply(simple(port, [target]))
    const { failures } = await load.end()
    assert.deepEqual(failures, [])
    for (const extra of ports) assert.equal(await get(extra), '')
  })

  it('a draining upstream finishes what it has, says when it has nothing, and gets nothing new', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    let finish: () => void = () => undefined
    const old = await bed.serve((_, response) => void (finish = () => response.end('finished')))
    await bed.start(simple(port, [old.upstream]))
    const inFlight = get(port, '/long')
    await until('the request is under way', 2000, () => old.executed.length === 1)
    const fresh = await bed.serve()
    await bed.balancer.apply(simple(port, [draining(old.upstream), fresh.upstream]))
    for (let time = 0; time < 5; time += 1) assert.match(await get(port), /served by/)
    assert.equal((await bed.balancer.observe()).upstreams.get(old.upstream.id)?.active, 1)
    finish()
    assert.equal(bodyOf(await inFlight).includes('finished'), true)
    await until('it has nothing', 2000, async () => (await bed.balancer.observe()).upstreams.get(old.upstream.id)?.active === 0)
    // And back again, as when a rollout is rolled back.
    await bed.balancer.apply(simple(port, [old.upstream, draining(fresh.upstream)]))
    const back = get(port, '/back')
    await until('it is asked again', 2000, () => old.executed.length === 2)
    finish()
    await back
  })

  it('a connection that was idle while listeners came and every upstream was replaced is still served', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const [old, fresh] = [await bed.serve(), await bed.serve()]
    await bed.start(simple(port, [old.upstream]))
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    const ask = async (): Promise<string> => {
      const answered = once(socket, 'data')
      socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
      return String((await answered)[0])
    }
    assert.match(await ask(), new RegExp(`served by ${old.port}`))
    const both = [listener(port), listener(await bed.freePort())]
    await bed.balancer.apply(table(both, [pool([old.upstream])]))
    await bed.balancer.apply(table(both, [pool([draining(old.upstream), fresh.upstream])]))
    await bed.balancer.apply(table(both, [pool([fresh.upstream])]))
    await old.close()
    assert.match(await ask(), new RegExp(`served by ${fresh.port}`))
    socket.destroy()
  })

  it('an upstream that leaves the table without a drain keeps the requests that it has', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    let finish: () => void = () => undefined
    const old = await bed.serve((_, response) => void (finish = () => response.end('finished')))
    const fresh = await bed.serve()
    await bed.start(simple(port, [old.upstream]))
    const inFlight = get(port)
    await until('the request is under way', 2000, () => old.executed.length === 1)
    await bed.balancer.apply(simple(port, [fresh.upstream]))
    assert.match(await get(port), new RegExp(`served by ${fresh.port}`))
    finish()
    assert.match(await inFlight, /finished/)
  })
}

export function failures(make: MakeBalancer): void {
  it('one of two is killed under load: no GET fails, and no POST is executed twice', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const programs = [await bed.program(), await bed.program(), await bed.program()]
    await bed.start(
      simple(
        port,
        programs.map(({ upstream }) => upstream),
      ),
    )
    const load = startLoad({ port, perSecond: 300, connections: 32, slowMs: 60 })
    for (const victim of programs.slice(0, 2)) {
      await sleep(500)
      const gone = once(victim.child, 'exit')
      victim.child.kill('SIGKILL')
      await gone
    }
    await sleep(500)
    const { sent, failures: failed } = await load.end()
    assert.deepEqual(
      failed.filter(({ method }) => method === 'GET'),
      [],
    )
    const executed = programs.flatMap((each) => each.executed())
    const posts = new Set(sent.filter((_, number) => number % 5 === 0))
    const executedPosts = executed.filter((id) => posts.has(id))
    assert.equal(executedPosts.length, new Set(executedPosts).size, 'a POST was executed twice')
    const lost = new Set(failed.map(({ id }) => id))
    for (const id of sent) if (!lost.has(id)) assert.ok(executed.includes(id), `${id} was answered and never executed`)
  })

  it('the only canary is killed: no GET fails, the others take its share', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const [canary, stable] = [await bed.program(), await bed.serve()]
    await bed.start(table([listener(port)], [pool([asCanary(canary.upstream), stable.upstream], { canaryShare: 0.5 })]))
    const gone = once(canary.child, 'exit')
    canary.child.kill('SIGKILL')
    await gone
    const answers = await Promise.all(Array.from({ length: 40 }, () => get(port)))
    assert.deepEqual(
      answers.map(statusOf),
      answers.map(() => 200),
    )
  })

  it('with `all`, a POST that an upstream dropped unanswered goes to another', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const dropping = await bed.tcp((socket) => void socket.once('data', () => socket.destroy()))
    const bodies: string[] = []
    const good = await bed.serve((_, response, body) => {
      bodies.push(body)
      response.end('done')
    })
    const both = [dropping.upstream, good.upstream]
    const post = (): Promise<string> =>
      rawExchange(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello')
    await bed.start(table([listener(port)], [pool(both, { retry: 'all' })]))
    for (let time = 0; time < 4; time += 1) assert.equal(statusOf(await post()), 200)
    assert.deepEqual(bodies, ['hello', 'hello', 'hello', 'hello'])
  })

  it('with `safe`, a POST that an upstream dropped unanswered is 502 and executed nowhere else; a refused connection is tried again', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const dropping = await bed.tcp((socket) => void socket.once('data', () => socket.destroy()))
    const good = await bed.serve()
    await bed.start(simple(port, [dropping.upstream]))
    const post = (): Promise<string> =>
      rawExchange(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello')
    assert.equal(statusOf(await post()), 502)
    assert.deepEqual(good.executed, [])
    const nobody = makeUpstream(90, await bed.freePort())
    await bed.balancer.apply(simple(port, [nobody, good.upstream]))
    for (let time = 0; time < 4; time += 1) assert.equal(statusOf(await post()), 200)
    assert.equal(good.executed.length, 4)
  })

  it('an upstream that fails again and again is left out for a while, then comes back; the last ones are never left out', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    let isIll = true
    const ill = await bed.serve((_, response) => void response.writeHead(isIll ? 500 : 200).end())
    const good = await bed.serve()
    await bed.start(simple(port, [ill.upstream, good.upstream]))
    await until('it is left out', 5000, async () => {
      for (let time = 0; time < 10; time += 1) await get(port)
      return (await bed.balancer.observe()).upstreams.get(ill.upstream.id)?.isEjected === true
    })
    isIll = false
    await until(
      'it is back',
      10_000,
      async () => (await bed.balancer.observe()).upstreams.get(ill.upstream.id)?.isEjected === false,
    )
    const before = ill.executed.length
    for (let time = 0; time < 20; time += 1) assert.equal(statusOf(await get(port)), 200)
    assert.ok(ill.executed.length > before, 'it serves again')
    isIll = true
    await bed.balancer.apply(simple(port, [ill.upstream]))
    for (let time = 0; time < 20; time += 1) assert.equal(statusOf(await get(port)), 500)
  })

  it('an upstream that never answers is 504 after the silence that is allowed', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const silent = await bed.tcp(() => undefined)
    await bed.start(simple(port, [silent.upstream], { limits: { idleTimeoutMs: 700 } }))
    assert.equal(statusOf(await get(port)), 504)
    const { pools } = await bed.balancer.observe()
    assert.equal(pools.get(web)?.failed, 1)
  })
}
