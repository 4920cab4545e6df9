import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBalancer as balancer } from '../../core/keys/balancer.ts'
import type { Project } from '../../core/model/service.ts'
import { SimulatedClock } from '../../sim/clock.ts'
import { aService } from '../../sim/services.ts'
import { SeededRandom } from '../../sim/random.ts'
import { createMemoryStore } from '../../sim/store.ts'
import { Certificates } from './certificates.ts'
import type { SharedSettings } from './shared-wishes.ts'

const project: Project = {
  name: 'shop',
  stage: null,
  notify: [],
  balancer: { ...balancer, acme: { directory: 'https://acme.example/directory', email: null, caFile: null } },
  services: [
    aService('web', 'serve', {
      routes: [
        {
          to: { kind: 'domain', domain: 'shop.example' },
          path: '/',
          tls: { kind: 'automatic' },
          proxyProtocol: { accept: false, send: false },
          idempotent: false,
        },
      ],
    }),
  ],
}

const wish: SharedSettings = { settings: project.balancer, routes: project.services.flatMap(({ routes }) => routes) }

async function pass(clock: SimulatedClock, ms: number): Promise<void> {
  const end = clock.now() + ms
  do for (let turn = 0; turn < 50; turn += 1) await Promise.resolve()
  while (clock.turn(end))
}

test('a rest after a failure that was set by a clock years ahead ends when the clock is right again', async () => {
  const clock = new SimulatedClock()
  let orders = 0
  const certificates = new Certificates({
    certificates: {
      list: async () => new Map(),
      join: () => Promise.reject(new Error('nothing to join')),
      order: async () => {
        orders += 1
        throw new Error('the certificate of the server is not valid yet')
      },
      close: () => {},
    },
    store: createMemoryStore(),
    clock,
    random: new SeededRandom(1),
    wish: () => wish,
    traffic: { note: () => {}, isInForce: () => true },
    emit: () => {},
  })
  clock.stepWall(3e11)
  certificates.note()
  await pass(clock, 1000)
  assert.equal(orders, 1)
  // It rests for a minute and more, by whatever clock.
  await pass(clock, 50_000)
  assert.equal(orders, 1)
  clock.stepWall(-3e11)
  await pass(clock, 3 * 60_000)
  assert.ok(orders > 1, 'it waits for years')
  assert.ok(orders <= 3, `${orders} orders in four minutes`)
  certificates.close()
})

test('a certificate from a file that ends soon is told of at 21 days and at 7, once each, until the next one is there', async () => {
  const clock = new SimulatedClock()
  const dayMs = 86_400_000
  let notAfter = clock.wallTimeOf(clock.now() + 30 * dayMs)
  const told: string[] = []
  const files = { kind: 'files', certificate: '/shop.pem', key: '/shop.key', digest: null } as const
  const [service] = project.services
  const routes = (service?.routes ?? []).map((route) => ({ ...route, tls: files }))
  const certificates = new Certificates({
    certificates: {
      list: async () => new Map(),
      join: async () => ({
        certificate: { file: '/joined.pem', digest: notAfter, names: ['shop.example'] },
        notAfter,
        renewAt: notAfter,
      }),
      order: () => Promise.reject(new Error('nothing to fetch')),
      close: () => {},
    },
    store: createMemoryStore(),
    clock,
    random: new SeededRandom(1),
    wish: () => ({ settings: project.balancer, routes: service === undefined ? [] : routes }),
    traffic: { note: () => {}, isInForce: () => true },
    emit: ({ kind, message, cause }) => told.push(`${kind}: ${message}: ${cause}`),
  })
  const sentence = `the certificate /shop.pem ends on ${notAfter.slice(0, 10)}, and nothing here renews it`
  certificates.note()
  await pass(clock, 10 * 60_000)
  assert.deepEqual([told, certificates.warnings], [[], []])
  clock.stepWall(10 * dayMs)
  await pass(clock, 10 * 60_000)
  assert.deepEqual(told, [`certificate-ending: ${sentence}: less than 21 days are left`])
  assert.deepEqual(certificates.warnings, [sentence])
  clock.stepWall(14 * dayMs)
  await pass(clock, 10 * 60_000)
  assert.equal(told[1], `certificate-ending: ${sentence}: less than 7 days are left`)
  notAfter = clock.wallTimeOf(clock.now() + 90 * dayMs)
  await pass(clock, 2 * 60_000)
  assert.deepEqual(certificates.warnings, [])
  assert.equal(told.length, 2)
  certificates.close()
})

test('a certificate that is due the moment it comes, by a clock that is ahead, is not fetched again at once', async () => {
  const clock = new SimulatedClock()
  let orders = 0
  const told: string[] = []
  const certificates = new Certificates({
    certificates: {
      list: async () => new Map(),
      join: () => Promise.reject(new Error('nothing to join')),
      order: async () => {
        orders += 1
        const certificate = { file: '/shop.pem', digest: String(orders), names: ['shop.example'] }
        return { certificate, notAfter: clock.wallTimeOf(clock.now() + 1), renewAt: clock.wallTimeOf(clock.now() - 1) }
      },
      close: () => {},
    },
    store: createMemoryStore(),
    clock,
    random: new SeededRandom(1),
    wish: () => wish,
    traffic: { note: () => {}, isInForce: () => true },
    emit: ({ message }) => told.push(message),
  })
  certificates.note()
  await pass(clock, 10 * 60_000)
  // At once, after one minute, and after four more.
  assert.equal(orders, 3)
  assert.equal(certificates.held[0]?.certificate.digest, '3', 'what came is used')
  assert.match(told[1] ?? '', /by the clock of this machine/)
  certificates.close()
})
