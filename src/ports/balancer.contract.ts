/**
 * What every balancer must do, sentence by sentence as `balancer.ts` and `core/balance/table.ts` promise it. Each adapter's test
 * calls this with a way to make one on a state directory; programs, upstreams, clients and what is inflicted on them are real.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect as http2Connect } from 'node:http2'
import { request, Agent, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket, WebSocketServer } from 'ws'
import {
  asCanary,
  assertRefused,
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
  type Bed,
  type MakeBalancer,
  type TcpUpstream,
} from '../../test/support/balancer-bed.ts'
import { startLoad } from '../../test/support/keep-alive-load.ts'
import { until } from '../../test/processes.ts'
import { asServiceName } from '../core/model/id.ts'
import { selfSigned } from '../host/self-signed.ts'
import type { Certificate, Rule } from '../core/balance/table.ts'
import { DarumaError } from './error.ts'

export function testBalancerContract(name: string, make: MakeBalancer): void {
  describe(`${name} keeps the balancer's contract:`, { timeout: 240_000 }, () => {
    life(make)
    routes(make)
    changes(make)
    failures(make)
    forwarding(make)
    secure(make)
    tunnels(make)
    strangers(make)
  })
}

const hasCode = (code: string) => (error: unknown) => error instanceof DarumaError && error.code === code

const get = (port: number, path = '/', headers = ''): Promise<string> =>
  rawExchange(port, `GET ${path} HTTP/1.1\r\nHost: a.test\r\n${headers}Connection: close\r\n\r\n`)

const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4)

function life(make: MakeBalancer): void {
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

function routes(make: MakeBalancer): void {
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
    const held = await bed.serve((_, response) => void setTimeout(() => response.end('slow'), 1500))
    const quick = await bed.serve()
    await bed.start(simple(port, [held.upstream, quick.upstream]))
    // One of the first two goes to each; while the slow one works, everything goes to the other.
    const slow = [get(port), get(port)]
    await until('the slow one has a request', 2000, () => held.executed.length === 1)
    for (let time = 0; time < 10; time += 1) assert.match(await get(port), /served by/)
    assert.equal(held.executed.length, 1)
    await Promise.all(slow)
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

function changes(make: MakeBalancer): void {
  it('fifty changes under load: no request fails, and each is executed exactly once', async () => {
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
    for (let change = 0; change < 25; change += 1) {
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
    assert.ok(sent.length > 500, `${sent.length} requests were sent`)
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
    // And back again, as when a rollout is taken back.
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

function failures(make: MakeBalancer): void {
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

function forwarding(make: MakeBalancer): void {
  it('says who the client is, replaces what clients say about themselves, and keeps hop-by-hop headers to itself', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(simple(port, [upstream.upstream]))
    const lies = ['For: 6.6.6.6', 'Proto: https', 'Host: evil.test', 'Port: 1'].map((lie) => `X-Forwarded-${lie}\r\n`).join('')
    const hops =
      'Forwarded: for=6.6.6.6\r\nKeep-Alive: timeout=1\r\nProxy-Connection: keep-alive\r\nTE: trailers, deflate\r\nX-Hop: 1\r\n'
    await rawExchange(port, `GET / HTTP/1.1\r\nHost: a.test:99\r\n${lies}${hops}X-Own: 1\r\nConnection: close, X-Hop\r\n\r\n`)
    const headers = upstream.requests[0]?.headers ?? {}
    assert.deepEqual(
      ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'host', 'x-own'].map(
        (name) => headers[name],
      ),
      ['127.0.0.1', 'http', 'a.test:99', String(port), 'a.test:99', '1'],
    )
    for (const name of ['forwarded', 'keep-alive', 'proxy-connection']) assert.equal(headers[name], undefined, name)
    assert.doesNotMatch(String(headers['connection'] ?? ''), /x-hop/i)
  })

  it('the PROXY protocol comes in on a listener that accepts it, and goes out to a pool that sends it', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(table([listener(port, { acceptProxy: true })], [pool([upstream.upstream])]))
    const asked = 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n'
    assert.equal(statusOf(await rawExchange(port, `PROXY TCP4 203.0.113.7 203.0.113.9 4711 80\r\n${asked}`)), 200)
    assert.equal(upstream.requests[0]?.headers['x-forwarded-for'], '203.0.113.7')
    // Version 2, binary: signature, PROXY over TCP/IPv4, 12 bytes of addresses and ports.
    const second = '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x08\xcb\0\x71\x09\x12\x67\0\x50'
    assert.equal(statusOf(await rawExchange(port, `${second}${asked}`)), 200)
    assert.equal(upstream.requests[1]?.headers['x-forwarded-for'], '203.0.113.8')
    assert.equal(statusOf(await rawExchange(port, asked)), 0, 'without the header there is no connection')

    let heard = Buffer.alloc(0)
    const listening = await bed.tcp((socket) => {
      let own = Buffer.alloc(0)
      socket.on('data', (chunk) => {
        own = Buffer.concat([own, chunk as Buffer])
        if (!own.includes('\r\n\r\n', 28)) return
        heard = own
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
      })
    })
    const plain = await bed.freePort()
    await bed.balancer.apply(table([listener(plain)], [pool([listening.upstream], { sendProxy: true })]))
    assert.equal(statusOf(await get(plain)), 200)
    assert.equal(heard.subarray(0, 12).toString('latin1'), '\r\n\r\n\0\r\nQUIT\n')
    assert.equal(heard[12], 0x21)
    assert.deepEqual([...heard.subarray(16, 20)], [127, 0, 0, 1])
  })

  it('counts what it has done', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const statuses = [200, 201, 301, 404, 500, 503]
    const upstream = await bed.serve((request, response) => void response.writeHead(Number(request.url?.slice(1))).end('12345'))
    await bed.start(simple(port, [upstream.upstream]))
    for (const status of statuses) assert.equal(statusOf(await get(port, `/${status}`)), status)
    const { pools, upstreams } = await bed.balancer.observe()
    const counted = pools.get(web)
    assert.deepEqual(counted?.responses, { '1xx': 0, '2xx': 2, '3xx': 1, '4xx': 1, '5xx': 2 })
    assert.deepEqual([counted.requests, counted.failed, counted.active, counted.queued], [6, 2, 0, 0])
    assert.ok(counted.bytesIn > 100 && counted.bytesOut > 100)
    assert.ok(counted.latencyMs !== null && counted.latencyMs.max >= counted.latencyMs.mean)
    assert.equal(upstreams.get(upstream.upstream.id)?.requests, 6)
    assert.equal(upstreams.get(upstream.upstream.id)?.failed, 2)
  })

  it('writes a line for each request where it is asked to', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(simple(port, [upstream.upstream], { accessLog: true }))
    await get(port, '/a%20"b?c=1')
    const line = await until('the line', 3000, () =>
      bed
        .log()
        .split('\n')
        .find((each) => each.includes('/a%20')),
    )
    const { slot, epoch } = upstream.upstream
    assert.match(
      line,
      new RegExp(
        String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ 127\.0\.0\.1 "GET" "a\.test" "/a%20\\"b\?c=1" 200 \d+ \d+ ${slot}#${epoch}$`,
      ),
    )
  })
}

function secure(make: MakeBalancer): void {
  it('shows the certificate of the name that is asked for, the first to others; all of them change while connections go on', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    const certificate = (names: readonly string[], digest: string): Certificate => {
      const file = bed.file(`${names[0]?.replace('*', '_')}.pem`)
      writeFileSync(file, selfSigned(names, Date.now()), { mode: 0o600 })
      return { file, digest, names }
    }
    const wanted = (certificates: readonly Certificate[]): ReturnType<typeof table> =>
      table([listener(port, { tls: true })], [pool([upstream.upstream])], { certificates })
    const [a, b, wild] = [
      certificate(['a.test'], '1'),
      certificate(['b.test', 'www.b.test'], '1'),
      certificate(['*.c.test'], '1'),
    ]
    await bed.start(wanted([a, b]))
    assert.deepEqual(
      [
        await shownFor(port, 'a.test'),
        await shownFor(port, 'www.b.test'),
        await shownFor(port, 'x.c.test'),
        await shownFor(port, ''),
      ],
      ['DNS:a.test', 'DNS:b.test, DNS:www.b.test', 'DNS:a.test', 'DNS:a.test'],
    )
    const kept = tlsConnect({
      port,
      host: '127.0.0.1',
      servername: 'a.test',
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    })
    kept.on('error', () => undefined)
    await once(kept, 'secureConnect')
    const ask = async (): Promise<string> => {
      const answered = once(kept, 'data')
      kept.write('GET /secure HTTP/1.1\r\nHost: a.test\r\n\r\n')
      return String((await answered)[0])
    }
    assert.equal(statusOf(await ask()), 200)
    assert.equal(upstream.requests[0]?.headers['x-forwarded-proto'], 'https')
    const before = await fingerprintFor(port, 'a.test')
    await bed.balancer.apply(wanted([certificate(['a.test'], '2'), b, wild]))
    assert.notEqual(await fingerprintFor(port, 'a.test'), before, 'renewed')
    assert.equal(await shownFor(port, 'x.c.test'), 'DNS:*.c.test')
    await bed.balancer.apply(wanted([b, wild]))
    assert.deepEqual(
      [await shownFor(port, 'a.test'), await shownFor(port, '')],
      ['DNS:b.test, DNS:www.b.test', 'DNS:b.test, DNS:www.b.test'],
    )
    assert.equal(statusOf(await ask()), 200, 'the connection of before goes on')
    kept.destroy()
  })

  it('speaks HTTP/2 to who can, or says by ALPN that it does not; a WebSocket goes over TLS', async () => {
    await using bed = openBed(make)
    const [port, file] = [await bed.freePort(), bed.file('a.pem')]
    writeFileSync(file, selfSigned(['a.test'], Date.now()), { mode: 0o600 })
    const echo = await echoServer(bed)
    await bed.start(
      table([listener(port, { tls: true })], [pool([echo.upstream])], {
        certificates: [{ file, digest: '1', names: ['a.test'] }],
      }),
    )
    const socket = tlsConnect({
      port,
      host: '127.0.0.1',
      servername: 'a.test',
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
    })
    await once(socket, 'secureConnect')
    const protocol = socket.alpnProtocol
    assert.ok(protocol === 'h2' || protocol === 'http/1.1', String(protocol))
    if (protocol === 'h2') {
      const session = http2Connect(`https://a.test:${port}`, { createConnection: () => socket })
      const stream = session.request({ ':path': '/second' })
      stream.resume()
      const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
      assert.equal(headers[':status'], 200)
      const closed = once(session, 'close')
      session.close()
      await closed
    } else socket.destroy()
    const webSocket = new WebSocket(`wss://127.0.0.1:${port}/`, { rejectUnauthorized: false })
    await once(webSocket, 'open')
    const heard = once(webSocket, 'message')
    webSocket.send('over TLS')
    assert.equal(String((await heard)[0]), 'over TLS')
    webSocket.terminate()
  })

  it('a certificate that cannot be used is refused by name, and what was in force stays', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    const [good, other, mixed, broken] = ['good', 'other', 'mixed', 'broken'].map((name) => bed.file(`${name}.pem`)) as [
      string,
      string,
      string,
      string,
    ]
    writeFileSync(good, selfSigned(['a.test'], Date.now()), { mode: 0o600 })
    writeFileSync(other, selfSigned(['a.test'], Date.now()), { mode: 0o600 })
    const [certificate = ''] = readFileSync(good, 'utf8').split('-----BEGIN PRIVATE KEY')
    const key = readFileSync(other, 'utf8').split('-----BEGIN PRIVATE KEY')[1]
    writeFileSync(mixed, `${certificate}-----BEGIN PRIVATE KEY${key}`)
    writeFileSync(broken, 'no certificate')
    const wanted = (file: string): ReturnType<typeof table> =>
      table([listener(port, { tls: true })], [pool([upstream.upstream])], {
        certificates: [{ file, digest: file, names: ['a.test'] }],
      })
    await bed.start(wanted(good))
    for (const file of [mixed, broken, bed.file('nowhere.pem')]) {
      const refusal = (error: unknown): boolean => hasCode('E_BALANCER_CONFIG')(error) && (error as Error).message.includes(file)
      await assert.rejects(bed.balancer.prepare(wanted(file)), refusal)
      await assert.rejects(bed.balancer.apply(wanted(file)), refusal)
    }
    assert.equal(await shownFor(port, 'a.test'), 'DNS:a.test')
  })
}

async function handshake(port: number, servername: string): Promise<{ readonly names: string; readonly fingerprint: string }> {
  const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...(servername === '' ? {} : { servername }) })
  await once(socket, 'secureConnect')
  const { subjectaltname = '', fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return { names: subjectaltname, fingerprint: fingerprint256 }
}

const shownFor = async (port: number, name: string): Promise<string> => (await handshake(port, name)).names
const fingerprintFor = async (port: number, name: string): Promise<string> => (await handshake(port, name)).fingerprint

function tunnels(make: MakeBalancer): void {
  it('a WebSocket goes through, and survives changes of the table, also of listeners', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const echo = await echoServer(bed)
    await bed.start(simple(port, [echo.upstream]))
    const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`)
    await once(socket, 'open')
    const say = async (text: string): Promise<string> => {
      const heard = once(socket, 'message')
      socket.send(text)
      return String((await heard)[0])
    }
    assert.equal(await say('one'), 'one')
    assert.equal((await bed.balancer.observe()).upstreams.get(echo.upstream.id)?.active, 1)
    const plain = await bed.serve()
    await bed.balancer.apply(simple(port, [plain.upstream, draining(echo.upstream)]))
    assert.equal(await say('two'), 'two')
    await bed.balancer.apply(
      table([listener(port), listener(await bed.freePort())], [pool([plain.upstream, draining(echo.upstream)])]),
    )
    assert.equal(await say('three'), 'three')
    assert.equal((await bed.balancer.observe()).upstreams.get(echo.upstream.id)?.active, 1)
    await bed.balancer.apply(table([listener(port), listener(await bed.freePort())], [pool([plain.upstream])]))
    assert.equal(await say('four'), 'four')
    const closed = once(socket, 'close')
    socket.close()
    await closed
  })

  it('a WebSocket to a dead upstream is 502 or 503, and soon', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    await bed.start(simple(port, [makeUpstream(91, await bed.freePort())]))
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
    socket.on('error', () => undefined)
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
    assert.ok(response.statusCode === 502 || response.statusCode === 503, String(response.statusCode))
    socket.terminate()
  })

  it('raw TCP goes both ways, whoever speaks first, and survives changes', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const id = asServiceName('db')
    const echo = await bed.tcp((socket) => {
      socket.write('hello ')
      socket.on('data', (chunk) => socket.write(`<${chunk.toString()}>`))
    })
    const rules: readonly Rule[] = [{ domain: null, path: '/', action: toPool(id) }]
    const raw = (upstreams: readonly (typeof echo.upstream)[]): ReturnType<typeof table> =>
      table([listener(port, { protocol: 'tcp', rules })], [pool(upstreams, { id, protocol: 'tcp' })])
    await bed.start(raw([echo.upstream]))
    const socket = connect(port, '127.0.0.1')
    let heard = ''
    socket.on('data', (chunk) => (heard += chunk.toString()))
    await until('the greeting', 3000, () => heard === 'hello ')
    socket.write('a')
    await until('the echo', 3000, () => heard === 'hello <a>')
    const another = await bed.tcp((other) => void other.end('another'))
    await bed.balancer.apply(raw([draining(echo.upstream), another.upstream]))
    assert.equal(await rawExchange(port, ''), 'another')
    socket.write('b')
    await until('the echo after the change', 3000, () => heard === 'hello <a><b>')
    assert.equal((await bed.balancer.observe()).upstreams.get(echo.upstream.id)?.active, 1)
    socket.destroy()
    await until('it has nothing', 3000, async () => (await bed.balancer.observe()).upstreams.get(echo.upstream.id)?.active === 0)
  })
}

async function echoServer(bed: Bed): Promise<TcpUpstream> {
  const sockets = new WebSocketServer({ noServer: true })
  return await bed.serve(undefined, (request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
    }),
  )
}

function strangers(make: MakeBalancer): void {
  const limits = { headerBytes: 8192, bodyBytes: 10_000, headerTimeoutMs: 1500, idleTimeoutMs: 2500 }

  it('what is malformed, too large or too slow gets the right answer, and nothing of it reaches an upstream', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(simple(port, [upstream.upstream], { limits }))
    const send = (text: string): Promise<string> => rawExchange(port, text, { limitMs: 8000 })
    const host = 'Host: a.test\r\n'
    assertRefused(await send('NONSENSE\r\n\r\n'), [400], 'no request line')
    assertRefused(await send(`GET / HTTP/9.9\r\n${host}\r\n`), [400, 505], 'an unknown version')
    assertRefused(await send(`GE T / HTTP/1.1\r\n${host}\r\n`), [400], 'a space in the method')
    assertRefused(await send(`GET / HTTP/1.1\r\n\r\n`), [400], 'no host')
    assertRefused(await send(`GET / HTTP/1.1\r\n${host}Host: b.test\r\n\r\n`), [400], 'two hosts')
    assertRefused(await send(`GET / HTTP/1.1\r\n${host}Bad Name: x\r\n\r\n`), [400], 'a space in a name')
    assertRefused(await send(`GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`), [400], 'a NUL in a value')
    assertRefused(await send(`CONNECT b.test:443 HTTP/1.1\r\n${host}\r\n`), [400, 404, 405, 501], 'CONNECT')
    assertRefused(
      await send(`GET / HTTP/1.1\r\n${host}${'X-A: aaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(300)}\r\n`),
      [400, 431],
      'very many headers',
    )
    assertRefused(await send(`GET / HTTP/1.1\r\n${host}X: ${'a'.repeat(9000)}\r\n\r\n`), [431], 'a header a little too large')
    assertRefused(await send(`GET / HTTP/1.1\r\n${host}X: ${'a'.repeat(200_000)}\r\n\r\n`), [400, 431], 'a header much too large')
    assertRefused(await send(`GET /${'a'.repeat(9000)} HTTP/1.1\r\n${host}\r\n`), [414, 431], 'a URL too large')
    assertRefused(await send(`POST / HTTP/1.1\r\n${host}Content-Length: 10001\r\n\r\n`), [413], 'a body too large')
    assertRefused(
      await send(
        `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${'3e8\r\n'.concat('a'.repeat(1000), '\r\n').repeat(11)}0\r\n\r\n`,
      ),
      [411, 413],
      'a chunked body too large',
    )
    assertRefused(await send(`GET / HTTP/1.1\r\n${host}`), [408], 'a header that never ends')
    assert.deepEqual(upstream.executed, [])
    assert.equal(statusOf(await get(port)), 200)
    const { refused, connections } = await bed.balancer.observe()
    assert.ok(refused >= 12, `${refused} refused`)
    assert.ok(connections <= 1, `${connections} connections`)
  })

  it('a request that could be read in two ways is refused, and what hides in it is never executed', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(simple(port, [upstream.upstream]))
    const hidden = 'GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n'
    const post = (headers: string, body: string): Promise<string> =>
      rawExchange(port, `POST /outer HTTP/1.1\r\nHost: a.test\r\n${headers}\r\n${body}`, { limitMs: 1500 })
    const refusedOnes: Record<string, readonly [string, string]> = {
      'two lengths': [`Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n`, hidden],
      'two lengths in one line': [`Content-Length: 0, ${hidden.length}\r\n`, hidden],
      'a length that is no number': ['Content-Length: 0x10\r\n', hidden],
      'a length with a sign': ['Content-Length: +0\r\n', hidden],
      'an unknown coding': ['Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${hidden}`],
      'a coding twice': ['Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', `0\r\n\r\n${hidden}`],
      'a chunk size that is no number': ['Transfer-Encoding: chunked\r\n', `zz\r\n\r\n${hidden}`],
      'a space before the colon': ['Transfer-Encoding : chunked\r\n', `0\r\n\r\n${hidden}`],
    }
    for (const [what, [headers, body]] of Object.entries(refusedOnes)) {
      const answer = await post(headers, body)
      assert.equal((answer.match(/HTTP\/1\.1 \d/g) ?? []).length <= 1, true, `${what}: ${answer}`)
      // Nothing at all is an answer too: the connection was closed.
      if (answer !== '') assertRefused(answer, [400, 411, 413, 501, 502], what)
    }
    // RFC 9112, 6.1 and 6.3: refused, or read by its chunks alone and the connection closed behind it.
    for (const headers of [
      'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
      'Transfer-Encoding: chunked\r\nContent-Length: 60\r\n',
    ]) {
      const before = upstream.requests.length
      const answer = await post(headers, `0\r\n\r\n${hidden}`)
      assert.equal((answer.match(/HTTP\/1\.1 \d/g) ?? []).length, 1, answer)
      assertRefused(answer, [200, 400], 'chunks with a length')
      for (const seen of upstream.requests.slice(before)) assert.equal(seen.headers['content-length'], undefined)
    }
    assert.deepEqual(
      upstream.executed.filter((url) => url === '/hidden'),
      [],
    )
    // RFC 9112 leaves a choice here: refused, or made one well-formed request.
    const folded = await rawExchange(
      port,
      'GET /folded HTTP/1.1\r\nHost: a.test\r\nX-A: one\r\n two\r\nConnection: close\r\n\r\n',
    )
    assert.ok([200, 400].includes(statusOf(folded)))
    if (statusOf(folded) === 200) assert.match(String(upstream.requests.at(-1)?.headers['x-a']), /^one\s+two$/)
    const bare = await rawExchange(port, 'GET /bare HTTP/1.1\nHost: a.test\nConnection: close\n\n')
    assert.ok([200, 400].includes(statusOf(bare)))
  })

  it('a connection beyond the limit is not served before another ends: it waits, or is let go', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(simple(port, [upstream.upstream], { limits: { connections: 3 } }))
    const idle = await Promise.all(
      [1, 2, 3].map(async () => {
        const socket = connect(port, '127.0.0.1')
        socket.on('error', () => undefined)
        const answered = once(socket, 'data')
        socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        await answered
        return socket
      }),
    )
    const waiting = get(port)
    const early = await Promise.race([waiting, sleep(300).then(() => null)])
    assert.ok(early === null || early === '' || statusOf(early) === 503, String(early))
    idle[0]?.destroy()
    // One that was let go comes again.
    await until('it is served', 5000, async () => statusOf(await (early === null ? waiting : get(port))) === 200)
    for (const socket of idle) socket.destroy()
  })

  it('slow ones do not keep others waiting: headers by the byte, bodies that stop, answers that nobody reads', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const large = Buffer.alloc(8 * 2 ** 20, 'x')
    const upstream = await bed.serve((request, response) => void response.end(request.url === '/large' ? large : 'ok'))
    await bed.start(simple(port, [upstream.upstream], { limits }))
    const stopped = rawExchange(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc', { limitMs: 10_000 })
    const byteByByte = drip(port, 'GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ')
    const deaf = connect(port, '127.0.0.1')
    deaf.on('error', () => undefined)
    deaf.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n')
    deaf.pause()
    for (let time = 0; time < 20; time += 1) assert.equal(statusOf(await get(port)), 200)
    assert.ok([0, 408].includes(statusOf(await byteByByte)), 'headers by the byte')
    assert.ok([0, 400, 408, 502, 504].includes(statusOf(await stopped)), 'a body that stops')
    await until('the reader that does not read is let go', 8000, async () => (await bed.balancer.observe()).connections === 0)
    deaf.destroy()
  })
}

/** Sends a byte ten times a second, for ever; resolves with what came when the other side has closed. */
async function drip(port: number, beginning: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => (text += chunk.toString()))
  const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()))
  socket.write(beginning)
  const timer = setInterval(() => socket.write('a'), 100)
  await closed
  clearInterval(timer)
  return text
}
