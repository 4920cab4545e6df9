/** The embedded balancer's parts that need no socket. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { asCanary, draining, makeUpstream, pool } from '../../../test/support/balancer-bed.ts'
import { asServiceName } from '../../core/model/id.ts'
import { renderAccess } from './requests/access-log.ts'
import { readHead, readTarget } from './clients/head.ts'
import { PoolState } from './upstreams/pool.ts'
import { parseProxyHeader, renderProxyHeader } from './clients/proxy-protocol.ts'
import { Router, ruleFor } from './requests/route.ts'
import { Tally } from './upstreams/tally.ts'
import type { UpstreamState } from './upstreams/upstream.ts'

const origin = { address: '192.0.2.7', isTls: true, port: 443 }
const read = (raw: readonly string[]): ReturnType<typeof readHead> => readHead(raw, '1.1', origin)

describe('A request head', () => {
  it('goes on without what belongs to one connection, and with our own word on who the client is', () => {
    const { headers, host, length, expectsContinue, problem } = read(
      [
        ['Host', 'a.test', 'X-Own', '1', 'x-own', '2', 'Connection', 'close, X-Hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=1'],
        ['TE', 'trailers', 'Upgrade', 'h2c', 'Expect', '100-continue', 'Content-Length', '5', 'Forwarded', 'for=6.6.6.6'],
        ['X-Forwarded-For', '6.6.6.6', 'x_forwarded_for', '6.6.6.6', 'X-FORWARDED-PROTO', 'http', 'X-Forwarded-Host', 'evil'],
      ].flat(),
    )
    const own = ['host', 'a.test', 'X-Own', '1', 'x-own', '2', 'content-length', '5']
    const said = [
      'x-forwarded-for',
      '192.0.2.7',
      'x-forwarded-proto',
      'https',
      'x-forwarded-port',
      '443',
      'x-forwarded-host',
      'a.test',
    ]
    assert.deepEqual(headers, [...own, ...said])
    assert.deepEqual([host, length, expectsContinue, problem], ['a.test', 5, true, null])
  })

  it('cannot take away by `Connection` what says who the client is, or how long the body', () => {
    const { headers } = read(['Host', 'a', 'Content-Length', '5', 'Connection', 'Content-Length, X-Forwarded-For, Host, close'])
    for (const name of ['host', 'content-length', 'x-forwarded-for']) assert.ok(headers.includes(name), name)
  })

  it('that could be read in two ways has a problem', () => {
    const bad: readonly (readonly string[])[] = [
      ['Host', 'a', 'Host', 'a'],
      ['Content-Length', '1', 'Content-Length', '1'],
      ['Content-Length', '+1'],
      ['Content-Length', '1, 1'],
      ['Content-Length', '9'.repeat(20)],
      ['Content-Length', '1', 'Transfer-Encoding', 'chunked'],
      ['Transfer-Encoding', 'chunked', 'Content-Length', '1'],
      ['Transfer-Encoding', 'gzip, chunked'],
      ['Transfer-Encoding', 'xchunked'],
    ]
    for (const raw of bad) assert.notEqual(read(raw).problem, null, raw.join(' '))
    assert.notEqual(readHead(['Transfer-Encoding', 'chunked'], '1.0', origin).problem, null)
    assert.equal(read(['Transfer-Encoding', 'Chunked']).problem, null)
  })

  it('has a target of its own host, or none', () => {
    assert.equal(readTarget('/a?b', 'a.test'), '/a?b')
    assert.equal(readTarget('http://A.test/a?b', 'a.TEST'), '/a?b')
    assert.equal(readTarget('http://a.test', 'a.test'), '/')
    assert.equal(readTarget('http://a.test?x', 'a.test'), '/?x')
    for (const target of ['http://b.test/', 'http://a.test:81/', 'a.test:443', '*', '', 'ftp://a.test/']) {
      assert.equal(readTarget(target, 'a.test'), null, target)
    }
  })
})

describe('A route', () => {
  it('is known by a host in any spelling, and by no host that is none', () => {
    const rule = { domain: 'a.test', path: '/', action: { kind: 'pool', pool: asServiceName('web') } } as const
    const router = new Router({ rules: [rule] })
    for (const host of ['a.test', 'A.TEST', 'a.test.', 'a.test:8080']) assert.deepEqual(router.match(host).rules, [rule], host)
    for (const host of ['b.test', '', 'xa.test', '[::1]:80']) assert.deepEqual(router.match(host).rules, [], host)
    for (const host of ['a.test/x', 'a.test:x', 'a b', 'user@a.test', '[x]']) assert.equal(router.match(host).name, null, host)
    // What strangers ask for is not kept forever, and forgetting changes no answer.
    for (let index = 0; index < 5000; index += 1) router.match(`${index}.test`)
    assert.deepEqual(router.match('a.test').rules, [rule])
  })

  it('matches whole segments', () => {
    const rules = ['/api/', '/x'].map((path) => ({ domain: null, path, action: { kind: 'redirect', httpsPort: 443 } }) as const)
    const found = (target: string): string | undefined => ruleFor(rules, target)?.path
    assert.deepEqual(['/x', '/x/y', '/x?y', '/xy', '/api/', '/api/1', '/api'].map(found), [
      '/x',
      '/x',
      '/x',
      undefined,
      '/api/',
      '/api/',
      undefined,
    ])
  })
})

describe('The PROXY protocol', () => {
  const port = fc.integer({ min: 0, max: 65_535 })
  const endpoints = (address: fc.Arbitrary<string>): fc.Arbitrary<Parameters<typeof renderProxyHeader>[0]> =>
    fc.record({ sourceAddress: address, destinationAddress: address, sourcePort: port, destinationPort: port })
  const canonical = (address: string): string => (address.includes(':') ? new URL(`http://[${address}]`).hostname : address)

  it('is read as it was written, with whatever follows it, however it is cut', () => {
    fc.assert(
      fc.property(fc.oneof(endpoints(fc.ipV4()), endpoints(fc.ipV6())), fc.uint8Array(), (wanted, rest) => {
        const bytes = renderProxyHeader(wanted)
        for (let cut = 0; cut < bytes.length; cut += 1) assert.equal(parseProxyHeader(bytes.subarray(0, cut)).kind, 'more')
        const found = parseProxyHeader(Buffer.concat([bytes, rest]))
        assert.ok(found.kind === 'header' && found.endpoints !== null)
        assert.equal(found.bytes, bytes.length)
        const { sourceAddress, destinationAddress, ...ports } = found.endpoints
        assert.deepEqual(ports, { sourcePort: wanted.sourcePort, destinationPort: wanted.destinationPort })
        assert.equal(canonical(sourceAddress), canonical(wanted.sourceAddress))
        assert.equal(canonical(destinationAddress), canonical(wanted.destinationAddress))
      }),
    )
  })

  it('of version 1 is text with an end, and what is neither is bad', () => {
    const text = (line: string): ReturnType<typeof parseProxyHeader> => parseProxyHeader(Buffer.from(line, 'latin1'))
    assert.deepEqual(text('PROXY UNKNOWN\r\nGET'), { kind: 'header', bytes: 15, endpoints: null })
    assert.equal(text('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r').kind, 'more')
    assert.equal(text('PRO').kind, 'more')
    const bad = [
      'GET / HTTP/1.1\r\n',
      'PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n',
      'PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n',
      'PROXY TCP4 1.2.3.4 5.6.7.8 1 70000\r\n',
    ]
    for (const line of [...bad, `PROXY ${'x'.repeat(200)}`]) assert.equal(text(line).kind, 'bad', line)
  })

  it('never throws, whatever comes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void parseProxyHeader(Buffer.from(bytes))))
    const signature = renderProxyHeader({
      sourceAddress: '',
      destinationAddress: '',
      sourcePort: 0,
      destinationPort: 0,
    }).subarray(0, 12)
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void parseProxyHeader(Buffer.concat([signature, bytes]))))
  })
})

describe('A pool', () => {
  const picks = (state: PoolState, times: number, chance = 0.5): readonly string[] =>
    Array.from({ length: times }, () => state.pick([], 0, chance)?.spec.id ?? 'none')
  const [first, second, third] = [makeUpstream(1, 1), makeUpstream(2, 2), makeUpstream(3, 3)] as const

  it('gives equals their turns, and the least busy the next request', () => {
    const state = new PoolState(pool([first, second, third]))
    assert.equal(new Set(picks(state, 3)).size, 3)
    const busy = state.pick([], 0, 0.5) as UpstreamState
    busy.active = 5
    assert.ok(!picks(state, 10).includes(busy.spec.id))
  })

  it('asks only those of its table that are active, and none where there is none', () => {
    const state = new PoolState(pool([draining(first), second]))
    assert.deepEqual([...new Set(picks(state, 5))], [second.id])
    state.apply(pool([draining(first), draining(second)]))
    assert.equal(state.pick([], 0, 0.5), null)
  })

  it('leaves out who fails, for a time that grows and has an end, but never all', () => {
    const state = new PoolState(pool([first, second]))
    const ill = state.pick([], 0, 0.5) as UpstreamState
    for (let failure = 0; failure < 3; failure += 1) ill.fail(0)
    assert.ok(!picks(state, 10).includes(ill.spec.id))
    assert.ok(ill.isEjected(999) && !ill.isEjected(1000))
    for (let failure = 0; failure < 20; failure += 1) ill.fail(1000)
    assert.ok(ill.isEjected(16_999) && !ill.isEjected(17_000))
    for (const other of [...state.upstreams()].map(([, each]) => each))
      for (let failure = 0; failure < 3; failure += 1) other.fail(0)
    assert.notEqual(state.pick([], 0, 0.5), null)
    ill.succeed()
    assert.equal(ill.isEjected(0), false)
  })

  it('asks another one than those that were tried, as long as there is one', () => {
    const state = new PoolState(pool([first, second]))
    const tried = state.pick([], 0, 0.5) as UpstreamState
    for (let time = 0; time < 5; time += 1) assert.notEqual(state.pick([tried], 0, 0.5), tried)
    const both = [...state.upstreams()].map(([, each]) => each)
    assert.notEqual(state.pick(both, 0, 0.5), null)
  })

  it('gives the canary its share by chance, and takes the others where there is no canary', () => {
    const state = new PoolState(pool([first, asCanary(second)], { canaryShare: 0.1 }))
    assert.deepEqual([...new Set(picks(state, 5, 0.09))], [second.id])
    assert.deepEqual([...new Set(picks(state, 5, 0.1))], [first.id])
    state.apply(pool([first, asCanary(draining(second))], { canaryShare: 0.1 }))
    assert.deepEqual([...new Set(picks(state, 5, 0.09))], [first.id])
  })

  it('keeps counting for an upstream that stays, and forgets one that has left and finished', () => {
    const state = new PoolState(pool([first, second]))
    const known = state.pick([], 0, 0.5) as UpstreamState
    known.requests = 7
    known.active = 1
    state.apply(pool([known.spec]))
    assert.deepEqual(
      [...state.upstreams()].map(([id, each]) => [id, each.requests]),
      [[known.spec.id, 7]],
    )
    state.leave()
    assert.equal([...state.upstreams()].length, 1, 'it has something under way')
    known.active = 0
    assert.equal([...state.upstreams()].length, 0)
  })
})

it('latencies are since the last look, everything else since the beginning', () => {
  const tally = new Tally()
  tally.answered(204)
  tally.took(2)
  tally.took(4)
  assert.deepEqual(tally.look().latencyMs, { mean: 3, max: 4 })
  assert.deepEqual([tally.look().latencyMs, tally.look().responses['2xx']], [null, 1])
})

it('a line of the access log stays one line, whatever the client said', () => {
  const line = renderAccess(
    {
      address: '192.0.2.7',
      request: { method: 'GET', host: 'a"b', target: '/\xff \n\x7f', status: 200 },
      bytesOut: 5,
      durationMs: 1.6,
      upstream: 'web/0#7',
    },
    new Date(0),
  )
  assert.equal(line, String.raw`1970-01-01T00:00:00Z 192.0.2.7 "GET" "a\"b" "/\u00ff \n\u007f" 200 5 2 web/0#7`)
})
