/** Of the balancer's contract: its life (files, a process that restarts, listeners) and where requests go. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request, Agent, type IncomingMessage, type ServerResponse } from 'node:http'
import { it } from 'node:test'
import {
  asCanary,
  listener,
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
import { until } from '../../processes.ts'
import { asServiceName } from '../../../src/core/model/id.ts'
import type { Rule } from '../../../src/core/balance/table.ts'
import { bodyOf, get, hasCode } from './ask.contract.ts'

export function life(make: MakeBalancer): void {
  it('the words of `prepare` are the same for every table, and started by them it serves the table at once', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    const first = await bed.balancer.prepare(table([], []))
    assert.deepEqual(await bed.balancer.prepare(simple(port, [upstream.upstream])), first)
    await bed.start(simple(port, [upstream.upstream]))
    assert.match(await get(port), new RegExp(`served by ${upstream.port}`))
  })

  it('nobody answers: E_BALANCER_AWAY, from `apply` and from `observe`', async () => {
    await using bed = openBed(make)
    await assert.rejects(bed.balancer.observe(), hasCode('E_BALANCER_AWAY'))
    await assert.rejects(bed.balancer.apply(table([], [])), hasCode('E_BALANCER_AWAY'))
    await bed.start(table([], []))
    await bed.kill()
    await assert.rejects(bed.balancer.observe(), hasCode('E_BALANCER_AWAY'))
    await assert.rejects(bed.balancer.apply(table([], [])), hasCode('E_BALANCER_AWAY'))
  })

  it('a table that came while it was away is served by the process that begins next', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const [before, after] = [await bed.serve(), await bed.serve()]
    await bed.start(simple(port, [before.upstream]))
    await bed.kill()
    await assert.rejects(bed.balancer.apply(simple(port, [after.upstream])), hasCode('E_BALANCER_AWAY'))
    await bed.start(simple(port, [after.upstream]))
    assert.match(await get(port), new RegExp(`served by ${after.port}`))
  })

  it('it outlives whoever told it: another caller finds it, changes it, and what is not changed stays', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const [one, two] = [await bed.serve(), await bed.serve()]
    await bed.start(simple(port, [one.upstream]))
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ask = async (): Promise<{ readonly text: string; readonly localPort: number | undefined }> => {
      const sending = request({ host: '127.0.0.1', port, agent, headers: { host: 'a.test' } })
      sending.end()
      const [response] = (await once(sending, 'response')) as [IncomingMessage]
      let text = ''
      for await (const chunk of response) text += String(chunk)
      return { text, localPort: sending.socket?.localPort }
    }
    const first = await ask()
    const another = make(bed.state)
    await another.apply(simple(port, [one.upstream]))
    await another.apply(simple(port, [two.upstream]))
    const second = await ask()
    assert.equal(second.text, `served by ${two.port}`)
    assert.equal(second.localPort, first.localPort, 'the client’s connection stayed open')
    agent.destroy()
  })

  it('the same table again changes nothing: no connection is closed and the counters go on', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    const wanted = simple(port, [upstream.upstream])
    await bed.start(wanted)
    await get(port)
    for (let time = 0; time < 3; time += 1) await bed.balancer.apply(wanted)
    await get(port)
    const { pools, upstreams } = await bed.balancer.observe()
    assert.equal(pools.get(web)?.requests, 2)
    assert.deepEqual(upstreams.get(upstream.upstream.id), { requests: 2, failed: 0, active: 0, isEjected: false })
  })

  it('a port that somebody else has is named with its holder, and the rest of the table is in force', async () => {
    await using bed = openBed(make)
    const [port, upstream, held] = [await bed.freePort(), await bed.serve(), await bed.tcp(() => undefined)]
    await bed.start(simple(port, []))
    const wanted = table([listener(port), listener(held.upstream.port)], [pool([upstream.upstream])])
    await assert.rejects(bed.balancer.apply(wanted), (error) => {
      assert.ok(hasCode('E_BALANCER_PORT')(error))
      assert.match((error as Error).message, new RegExp(`${held.upstream.port}.*node.*${process.pid}`))
      return true
    })
    assert.match(await get(port), /served by/)
    const another = await bed.freePort()
    await bed.balancer.apply(table([listener(port), listener(another)], [pool([upstream.upstream])]))
    assert.match(await get(another), /served by/)
  })

  it('applies at the same time end with the last one in force', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const upstreams = await Promise.all([1, 2, 3, 4].map(() => bed.serve()))
    await bed.start(simple(port, []))
    await Promise.all(upstreams.map(({ upstream }) => bed.balancer.apply(simple(port, [upstream]))))
    assert.match(await get(port), new RegExp(`served by ${upstreams.at(-1)?.port}`))
  })
}

export function routes(make: MakeBalancer): void {
  it('the most specific rule is taken: exact domain before wildcard before any, longer paths first, whole segments only', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const names = ['any', 'any-api', 'exact', 'exact-api', 'exact-deep', 'wild', 'wild-api', 'wild-longer']
    const upstreams = await Promise.all(names.map((each) => bed.serve((_, response) => void response.end(each))))
    const rule = (domain: string | null, path: string, to: string): Rule => ({ domain, path, action: toPool(asServiceName(to)) })
    const rules = [
      rule('shop.test', '/api/deep', 'exact-deep'),
      rule('shop.test', '/api', 'exact-api'),
      rule('shop.test', '/', 'exact'),
      rule('*.eu.shop.test', '/', 'wild-longer'),
      rule('*.shop.test', '/api', 'wild-api'),
      rule('*.shop.test', '/', 'wild'),
      rule(null, '/api', 'any-api'),
      rule(null, '/', 'any'),
    ]
    const pools = names.map((id, index) => pool([upstreams[index]!.upstream], { id: asServiceName(id) }))
    await bed.start(table([listener(port, { rules })], pools))
    const ask = async (host: string, path: string): Promise<string> =>
      bodyOf(await rawExchange(port, `GET ${path} HTTP/1.0\r\nHost: ${host}\r\n\r\n`))
    const asked: Record<string, string> = {
      'shop.test /': 'exact',
      'SHOP.test:8080 /x': 'exact',
      'shop.test. /': 'exact',
      'shop.test /api': 'exact-api',
      'shop.test /api?q=1': 'exact-api',
      'shop.test /api/x': 'exact-api',
      'shop.test /apix': 'exact',
      'shop.test /api/deep/er': 'exact-deep',
      'shop.test /api/deeper': 'exact-api',
      'www.shop.test /': 'wild',
      'a.b.shop.test /api/1': 'wild-api',
      'www.eu.shop.test /api': 'wild-longer',
      'eu.shop.test /': 'wild',
      'notshop.test /': 'any',
      'other.test /api': 'any-api',
      'other.test /ap': 'any',
    }
    const answered: Record<string, string> = {}
    for (const each of Object.keys(asked)) {
      const [host = '', path = ''] = each.split(' ')
      answered[each] = await ask(host, path)
    }
    assert.deepEqual(answered, asked)
  })

  it('no route is 404, and no upstream 503', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    await bed.start(table([listener(port, { rules: [{ domain: 'a.test', path: '/x', action: toPool(web) }] })], [pool([])]))
    assert.equal(statusOf(await get(port, '/')), 404)
    assert.match(bodyOf(await get(port, '/')), /route/)
    assert.equal(statusOf(await get(port, '/x')), 503)
    await bed.balancer.apply(table([listener(port)], [pool([])]))
    assert.equal(statusOf(await get(port, '/')), 503)
  })

  it('a redirect to https keeps the URL: 301 for GET and HEAD, 308 for what has a body', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const rules = (httpsPort: number): readonly Rule[] => [
      { domain: 'a.test', path: '/', action: { kind: 'redirect', httpsPort } },
    ]
    await bed.start(table([listener(port, { rules: rules(443) })], []))
    const ask = async (method: string): Promise<readonly (number | string | undefined)[]> => {
      const answer = await rawExchange(
        port,
        `${method} /cart?x=1&y=%20 HTTP/1.1\r\nHost: a.test:${port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      )
      return [statusOf(answer), /^location: (.*)\r$/im.exec(answer)?.[1]]
    }
    assert.deepEqual(await ask('GET'), [301, 'https://a.test/cart?x=1&y=%20'])
    assert.deepEqual(await ask('HEAD'), [301, 'https://a.test/cart?x=1&y=%20'])
    assert.deepEqual(await ask('POST'), [308, 'https://a.test/cart?x=1&y=%20'])
    await bed.balancer.apply(table([listener(port, { rules: rules(8443) })], []))
    assert.deepEqual(await ask('GET'), [301, 'https://a.test:8443/cart?x=1&y=%20'])
  })

  it('challenges are answered on listeners without TLS, before any redirect; others go where their route leads', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    const wanted = simple(port, [upstream.upstream])
    await bed.start(wanted)
    const ask = (): Promise<string> => get(port, '/.well-known/acme-challenge/tok_1-en')
    assert.match(await ask(), /served by/)
    const rules: readonly Rule[] = [{ domain: null, path: '/', action: { kind: 'redirect', httpsPort: 443 } }]
    await bed.balancer.apply({
      ...wanted,
      listeners: [listener(port, { rules })],
      challenges: { 'tok_1-en': 'tok_1-en.thumb_-print' },
    })
    assert.equal(bodyOf(await ask()), 'tok_1-en.thumb_-print')
    await bed.balancer.apply(wanted)
    assert.match(await ask(), /served by/)
  })

  it('of several upstreams the one with the fewest requests under way is asked', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const ofSlow: ServerResponse[] = []
    const ofQuick: ServerResponse[] = []
    let isQuick = false
    const slow = await bed.serve((_, response) => void ofSlow.push(response))
    const quick = await bed.serve((_, response) => (isQuick ? void response.end('quick') : void ofQuick.push(response)))
    await bed.start(simple(port, [slow.upstream, quick.upstream]))
    const waiting: Promise<string>[] = []
    for (let number = 1; number <= 6; number += 1) {
      waiting.push(get(port))
      await until(`number ${number} is under way`, 2000, () => slow.executed.length + quick.executed.length === number)
    }
    assert.deepEqual([slow.executed.length, quick.executed.length], [3, 3])
    isQuick = true
    for (const response of ofQuick) response.end('quick')
    await until('the quick one has nothing', 2000, async () => {
      return (await bed.balancer.observe()).upstreams.get(quick.upstream.id)?.active === 0
    })
    // An answer may be with its client a moment before it counts as done: one more than that is never under way.
    for (let time = 0; time < 10; time += 1) assert.match(await get(port), /quick/)
    assert.equal(slow.executed.length, 3)
    for (const response of ofSlow) response.end('slow')
    await Promise.all(waiting)
  })

  it('a canary gets its share of the requests by chance, and the share changes at run time', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const [stable, canary] = [await bed.serve(), await bed.serve()]
    const share = (canaryShare: number | null): ReturnType<typeof table> =>
      table([listener(port)], [pool([stable.upstream, asCanary(canary.upstream)], { canaryShare })])
    await bed.start(share(0.5))
    const send = async (count: number): Promise<number> => {
      const before = canary.executed.length
      for (let time = 0; time < count; time += 1) await get(port)
      return canary.executed.length - before
    }
    // Six standard deviations either way.
    const half = await send(200)
    assert.ok(half > 57 && half < 143, `${half} of 200 at a share of 0.5`)
    await bed.balancer.apply(share(0.02))
    const few = await send(200)
    assert.ok(few < 17, `${few} of 200 at a share of 0.02`)
    await canary.close()
    await bed.balancer.apply(share(0.5))
    assert.match(await get(port), /served by/)
  })
}
