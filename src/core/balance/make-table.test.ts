import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { defaultBalancer as balancer } from '../keys/balancer.ts'
import { updatePace } from '../keys/service/update.ts'
import { asEpoch, asServiceName, slotId } from '../model/id.ts'
import type { Route, Service } from '../model/service.ts'
import type { Endpoint, HeldCertificate, RoutedService, TableInput } from './make-table.ts'
import { makeTable } from './make-table.ts'
import type { RoutingTable } from './table.ts'

const base: Omit<Route, 'to'> = {
  path: '/',
  tls: { kind: 'none' },
  proxyProtocol: { accept: false, send: false },
  idempotent: false,
}
const domain = (name: string, over: Partial<Route> = {}): Route => ({ ...base, to: { kind: 'domain', domain: name }, ...over })
const port = (number: number, protocol: 'http' | 'tcp' = 'http', over: Partial<Route> = {}): Route => ({
  ...base,
  to: { kind: 'port', port: number, protocol },
  ...over,
})
const routed = (name: string, routes: readonly Route[], isWanted = true, over: Partial<Service> = {}): RoutedService => ({
  service: { name: asServiceName(name), routes, update: updatePace, ...over } as Service,
  isWanted,
})
const endpoint = (name: string, index: number, over: Partial<Endpoint> = {}): Endpoint => ({
  slot: slotId(asServiceName(name), index),
  service: asServiceName(name),
  epoch: asEpoch(100 + index),
  port: 20_000 + index,
  state: 'active',
  isCanary: false,
  ...over,
})
const table = (over: Partial<TableInput>): RoutingTable =>
  makeTable({ settings: balancer, services: [], endpoints: [], certificates: [], challenges: {}, ...over })
const rulesOf = (made: RoutingTable, at: number): readonly string[] =>
  made.listeners
    .filter((listener) => listener.port === at)
    .flatMap(({ rules }) =>
      rules.map(
        ({ domain: name, path, action }) => `${name ?? '*'}${path} ${action.kind === 'pool' ? action.pool : action.httpsPort}`,
      ),
    )

test('rules stand in order of what they say most exactly', () => {
  const made = table({
    services: [
      routed('all', [port(80)]),
      routed('web', [domain('shop.example'), domain('shop.example', { path: '/api' }), domain('*.shop.example')]),
      routed('deep', [domain('*.eu.shop.example', { path: '/a/b' })]),
    ],
  })
  assert.deepEqual(rulesOf(made, 80), [
    'shop.example/api web',
    'shop.example/ web',
    '*.eu.shop.example/a/b deep',
    '*.shop.example/ web',
    '*/ all',
  ])
})

test('a domain with a certificate is served by TLS and redirected to it; one that still waits for its own is served plainly', () => {
  const services = [
    routed('a', [domain('a.example', { tls: { kind: 'files', certificate: '/a.pem', key: '/a.key', digest: 'x' } })]),
    routed('b', [domain('b.example', { tls: { kind: 'automatic' } })]),
  ]
  const certificates: HeldCertificate[] = [
    { source: '/a.pem', certificate: { file: '/state/a', digest: '1', names: ['a.example'] } },
    { source: null, certificate: { file: '/state/x', digest: '2', names: ['x.example'] } },
  ]
  const made = table({ services, certificates, challenges: { z: '1', token: 'proof' } })
  assert.deepEqual(rulesOf(made, 80), ['a.example/ 443', 'b.example/ b'])
  assert.deepEqual(rulesOf(made, 443), ['a.example/ a'])
  assert.deepEqual(made.certificates, [{ file: '/state/a', digest: '1', names: ['a.example'] }])
  assert.deepEqual(Object.keys(made.challenges), ['token', 'z'])
})

test('the first certificate that fits is taken, and a wildcard fits one label', () => {
  const held = (file: string, names: readonly string[]): HeldCertificate => ({
    source: null,
    certificate: { file, digest: '', names },
  })
  const pick = (name: string): readonly string[] =>
    table({
      services: [routed('web', [domain(name, { tls: { kind: 'automatic' } })])],
      certificates: [held('/1', ['other.example']), held('/2', ['*.example']), held('/3', ['a.example', 'x.y.example'])],
    }).certificates.map(({ file }) => file)
  assert.deepEqual(pick('a.example'), ['/2'])
  assert.deepEqual(pick('x.y.example'), ['/3'])
  assert.deepEqual(pick('z.y.example'), [])
})

test('a port is a listener of its own, raw where its route says so', () => {
  const made = table({
    services: [routed('db', [port(5432, 'tcp', { proxyProtocol: { accept: true, send: true } })])],
    endpoints: [endpoint('db', 0)],
  })
  assert.deepEqual(made.listeners, [
    {
      port: 5432,
      protocol: 'tcp',
      tls: false,
      acceptProxy: true,
      rules: [{ domain: null, path: '/', action: { kind: 'pool', pool: 'db' } }],
    },
  ])
  assert.deepEqual(
    made.pools.map(({ protocol, sendProxy }) => ({ protocol, sendProxy })),
    [{ protocol: 'tcp', sendProxy: true }],
  )
})

test('a route that goes to another service goes over when that one can serve, and back to nobody when none can', () => {
  const old = routed('web', [domain('shop.example')], false)
  const next = routed('site', [domain('shop.example')])
  const who = (endpoints: readonly Endpoint[]): readonly string[] => rulesOf(table({ services: [old, next], endpoints }), 80)
  assert.deepEqual(who([endpoint('web', 0)]), ['shop.example/ web'])
  assert.deepEqual(who([endpoint('web', 0), endpoint('site', 0)]), ['shop.example/ site'])
  assert.deepEqual(who([endpoint('web', 0, { state: 'draining' })]), ['shop.example/ site'])
  assert.deepEqual(rulesOf(table({ services: [old], endpoints: [endpoint('web', 0, { state: 'draining' })] }), 80), [])
})

test('a canary has its share while others serve, and all of it when it is alone', () => {
  const canary = { share: 0.05, forMs: 1000, errorRate: 0.01 }
  const services = [routed('web', [domain('a.example')], true, { update: { ...updatePace, canary } as Service['update'] })]
  const share = (endpoints: readonly Endpoint[]): unknown => {
    const [pool] = table({ services, endpoints }).pools
    return [pool?.canaryShare, pool?.upstreams.map(({ isCanary }) => isCanary)]
  }
  const tried = endpoint('web', 3, { isCanary: true })
  assert.deepEqual(share([endpoint('web', 0), tried]), [0.05, [false, true]])
  assert.deepEqual(share([endpoint('web', 0, { state: 'draining' }), tried]), [null, [false, false]])
  assert.deepEqual(share([endpoint('web', 0)]), [null, [false]])
})

test('the same world gives the same table in whatever order it is told, and each upstream has one epoch and one state', () => {
  const services = [
    routed('a', [domain('a.example'), domain('b.example', { path: '/x' })]),
    routed('b', [domain('b.example')]),
    routed('c', [port(9000), domain('*.example')]),
  ]
  const world = fc.uniqueArray(
    fc.record({ name: fc.constantFrom('a', 'b', 'c'), index: fc.nat(5), draining: fc.boolean(), isCanary: fc.boolean() }),
    { selector: ({ name, index }) => `${name}/${index}`, maxLength: 12 },
  )
  fc.assert(
    fc.property(world, fc.nat(), (slots, seed) => {
      const endpoints = slots.map(({ name, index, draining, isCanary }) =>
        endpoint(name, index, { state: draining ? 'draining' : 'active', isCanary }),
      )
      const turn = <Item>(list: readonly Item[]): readonly Item[] => {
        const cut = list.length === 0 ? 0 : seed % list.length
        return [...list.slice(cut), ...list.slice(0, cut)].toReversed()
      }
      const made = table({ services, endpoints })
      assert.deepEqual(table({ services: turn(services), endpoints: turn(endpoints) }), made)
      const upstreams = made.pools.flatMap((pool) => pool.upstreams.map(({ slot, epoch, state }) => ({ slot, epoch, state })))
      const wanted = endpoints.map(({ slot, epoch, state }) => ({ slot, epoch, state }))
      const bySlot = (a: { slot: string }, b: { slot: string }): number => (a.slot < b.slot ? -1 : 1)
      assert.deepEqual(upstreams.toSorted(bySlot), wanted.toSorted(bySlot))
      for (const { rules } of made.listeners)
        for (const { action } of rules) if (action.kind === 'pool') assert.ok(made.pools.some(({ id }) => id === action.pool))
    }),
  )
})
