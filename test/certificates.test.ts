/** Automatic TLS whole: the daemon's class, the ordering process, a server that verifies over the network, and a balancer that answers. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { connect as tlsConnect } from 'node:tls'
import { createCertificateKeeper } from '../src/adapters/acme/index.ts'
import { createEmbeddedBalancer } from '../src/adapters/embedded-balancer/index.ts'
import { findHaproxy } from '../src/adapters/haproxy/find.ts'
import { createHaproxyBalancer } from '../src/adapters/haproxy/index.ts'
import { nodeClock } from '../src/adapters/node/clock.ts'
import { nodeRandom } from '../src/adapters/node/random.ts'
import { makeTable } from '../src/core/balance/make-table.ts'
import type { RoutingTable } from '../src/core/balance/table.ts'
import { defaultBalancer as defaultSettings } from '../src/core/keys/balancer.ts'
import type { Event } from '../src/core/model/event.ts'
import type { Project, Route, Tls } from '../src/core/model/service.ts'
import { Certificates, type OrderRecord } from '../src/agent/traffic/certificates.ts'
import { readRecord } from '../src/ports/storage/json-records.ts'
import { selfSigned } from '../src/system/self-signed.ts'
import { DarumaError } from '../src/ports/error.ts'
import type { Store } from '../src/ports/storage/store.ts'
import { aService } from '../src/sim/services.ts'
import { createMemoryStore } from '../src/sim/store.ts'
import { startAcmeServer, type AcmeServer } from './support/acme-server.ts'
import { openBed, rawExchange, statusOf, web, type Bed } from './support/balancer-bed.ts'
import { until } from './processes.ts'

const domain = 'shop.example.test'

test('a name gets its certificate through the balancer, is redirected then, and gets the next one before the first ends', async () => {
  await using stage = await openStage()
  const { bed, server, ports } = stage
  server.lifeMs = 8000
  await stage.begin({ kind: 'automatic' })
  assert.equal(statusOf(await stage.get()), 200, 'until then the route is served without TLS')
  const first = await until('the first certificate', 20_000, () => stage.certificates.held[0]?.certificate)
  await stage.settled()
  assert.equal(statusOf(await stage.get()), 301)
  const shown = await handshake(ports.https, domain, server.authority)
  assert.deepEqual(shown.names, `DNS:${domain}`)
  assert.deepEqual(
    server.fetched.map((each) => each.domain),
    [domain],
  )
  assert.deepEqual([server.orders.length, server.accounts.size], [1, 1])
  assert.deepEqual(stage.certificates.challenges, {})

  const kept = tlsConnect({ port: ports.https, host: '127.0.0.1', servername: domain, rejectUnauthorized: false })
  await once(kept, 'secureConnect')
  const ask = async (): Promise<number> => {
    const answered = once(kept, 'data')
    kept.write(`GET / HTTP/1.1\r\nHost: ${domain}\r\n\r\n`)
    return statusOf(String((await answered)[0]))
  }
  // A connection that says nothing at first is given up after ten seconds; one that has been of use may rest for a minute.
  assert.equal(await ask(), 200)
  server.lifeMs = 86_400_000
  // What a minute's look would find; nobody waits for it here.
  await until('a third of its life is left', 10_000, () => Date.parse(notAfterOf(first.file)) - Date.now() < 9000 / 3, 100)
  stage.look()
  await until('the next certificate', 20_000, () => stage.certificates.held[0]?.certificate.digest !== first.digest)
  await stage.settled()
  const renewed = await handshake(ports.https, domain, server.authority)
  assert.notEqual(renewed.fingerprint, shown.fingerprint)
  assert.equal(await ask(), 200, 'a connection of before goes on')
  kept.destroy()
  assert.deepEqual([server.orders.length, server.accounts.size], [2, 1], 'one account, one order for each')
  for (const name of readdirSync(join(bed.state, 'certificates')))
    assert.equal(statSync(join(bed.state, 'certificates', name)).mode & 0o777, 0o600, name)
  assert.deepEqual(
    stage.events.map(({ kind }) => kind),
    ['certificate-fetched', 'certificate-fetched'],
  )
})

test('a server that says when to come again is not asked before, by the next daemon neither', async () => {
  await using stage = await openStage()
  stage.server.refuseFor = 7200
  await stage.begin({ kind: 'automatic' })
  await until('the refusal', 20_000, () => stage.events.some(({ kind }) => kind === 'certificate-failed'))
  const record = await readRecord<OrderRecord>(stage.store, `certificate/${domain}`)
  assert.equal(record?.failures, 1)
  assert.ok(Date.parse(record.retryAt) > Date.now() + 7_000_000, record.retryAt)
  assert.match(stage.events[0]?.message ?? '', /too many orders.*E_CERTIFICATE_ORDER/)
  stage.server.refuseFor = null
  stage.next()
  stage.look()
  await until('the look is over', 5000, () => !stage.isLooking())
  assert.deepEqual(stage.server.orders, [])
  assert.equal(statusOf(await stage.get()), 200)
})

test('an order that is cut off is taken up again, not made anew; of two at once one is refused', async () => {
  await using stage = await openStage()
  const { bed, server } = stage
  const folder = join(bed.state, 'certificates')
  const caFile = bed.file('ca.pem')
  const order = { domain, directory: server.directory, email: null, caFile }
  mkdirSync(folder, { recursive: true, mode: 0o700 })

  // The daemon dies while the challenge is being answered: all that its process sees of that is the end of its input.
  const entry = join(import.meta.dirname, '../src/main/acme.ts')
  const orphan = spawn(process.execPath, [entry], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE_EXTRA_CA_CERTS: caFile },
  })
  orphan.stdin.write(`${JSON.stringify({ ...order, folder })}\n`)
  const [line] = (await once(createInterface({ input: orphan.stdout }), 'line')) as [string]
  assert.equal((JSON.parse(line) as { readonly kind: string }).kind, 'challenge')
  const keeper = createCertificateKeeper({ stateDirectory: bed.state, node: process.execPath })
  await assert.rejects(
    keeper.order(order, async () => undefined),
    hasCode('E_CERTIFICATE_BUSY'),
  )
  const gone = once(orphan, 'exit')
  orphan.stdin.end()
  await gone

  // The next one is killed at the same place.
  const another = createCertificateKeeper({ stateDirectory: bed.state, node: process.execPath })
  await assert.rejects(
    another.order(order, async () => {
      another.close()
      await new Promise(() => undefined)
    }),
    hasCode('E_CERTIFICATE_ORDER'),
  )
  await stage.begin({ kind: 'automatic' })
  await until('the certificate', 20_000, () => stage.certificates.held[0])
  assert.equal(server.orders.length, 1)
})

test('an order whose key was lost is given up, and not taken up for ever', async () => {
  await using stage = await openStage()
  const { bed, server } = stage
  await stage.begin({ kind: 'automatic' })
  await until('the certificate', 20_000, () => stage.certificates.held[0])
  // What stands there when a disk has kept the order and lost the key.
  const order = join(bed.state, 'certificates', `${domain}.order`)
  writeFileSync(order, `${server.directory}\n${new URL('/order/1', server.directory).href}\n`)
  const keeper = createCertificateKeeper({ stateDirectory: bed.state, node: process.execPath })
  const wanted = { domain, directory: server.directory, email: null, caFile: bed.file('ca.pem') }
  await assert.rejects(
    keeper.order(wanted, async () => undefined),
    /the private key belongs to another certificate/,
  )
  assert.equal(existsSync(order), false)
})

test('files are joined, a pair that does not fit is told once and leaves the one before, and a renewed file is taken', async () => {
  await using stage = await openStage()
  const [certificate, key] = [stage.bed.file('site.pem'), stage.bed.file('site.key')]
  const write = (): string => {
    const [chain = '', secret = ''] = selfSigned([domain], Date.now()).split('-----BEGIN PRIVATE KEY')
    writeFileSync(certificate, chain)
    writeFileSync(key, `-----BEGIN PRIVATE KEY${secret}`)
    return chain
  }
  write()
  await stage.begin({ kind: 'files', certificate, key, digest: null })
  await until('it is served', 5000, async () => statusOf(await stage.get()) === 301)
  await stage.settled()
  const shown = await handshake(stage.ports.https, domain, null)
  assert.equal(shown.names, `DNS:${domain}`)
  writeFileSync(key, selfSigned([domain], Date.now()))
  for (let time = 0; time < 2; time += 1) {
    stage.look()
    await until('the look is over', 5000, () => !stage.isLooking())
  }
  assert.deepEqual(
    stage.events.map(({ kind }) => kind),
    ['certificate-failed'],
  )
  assert.match(stage.events[0]?.message ?? '', /another certificate/)
  assert.equal((await handshake(stage.ports.https, domain, null)).fingerprint, shown.fingerprint)
  write()
  stage.look()
  await until(
    'the new one is shown',
    5000,
    async () => (await handshake(stage.ports.https, domain, null)).fingerprint !== shown.fingerprint,
  )
})

const hasCode = (code: string) => (error: unknown) => error instanceof DarumaError && error.code === code

interface Stage extends AsyncDisposable {
  readonly bed: Bed
  readonly server: AcmeServer
  readonly store: Store
  readonly ports: { readonly http: number; readonly https: number }
  readonly events: Event[]
  certificates: Certificates
  begin(tls: Tls): Promise<void>
  /** Another daemon on the same state. */
  next(): void
  /** What happens every minute. */
  look(): void
  isLooking(): boolean
  /** Resolves when the balancer serves what the certificates say. */
  settled(): Promise<void>
  get(): Promise<string>
}

/** The part of the daemon that this is about: the table is made of one service and what certificates there are. */
async function openStage(): Promise<Stage> {
  const haproxy = findHaproxy()
  const bed = openBed((stateDirectory) =>
    haproxy === null
      ? createEmbeddedBalancer({ stateDirectory, node: process.execPath })
      : createHaproxyBalancer({ stateDirectory, haproxy: haproxy.path }),
  )
  const ports = { http: await bed.freePort(), https: await bed.freePort() }
  const server = await startAcmeServer({ challengePort: ports.http })
  const upstream = await bed.serve()
  const caFile = bed.file('ca.pem')
  writeFileSync(caFile, server.ownCertificate)
  const store = createMemoryStore()
  const events: Event[] = []
  let project: Project | null = null
  let [wanted, inForce] = ['', '']
  let turn: Promise<void> = Promise.resolve()

  const table = (): RoutingTable => {
    const { balancer, services } = project!
    const [service] = services
    const carrier = { slot: upstream.upstream.slot, service: web, epoch: upstream.upstream.epoch, port: upstream.port }
    return makeTable({
      settings: balancer,
      services: [{ service: service!, isWanted: true }],
      endpoints: [{ ...carrier, state: 'active', isCanary: false }],
      certificates: stage.certificates.held,
      challenges: stage.certificates.challenges,
    })
  }
  const apply = (): void => {
    const next = table()
    wanted = JSON.stringify(next)
    turn = applyAfter(turn, next)
  }
  const applyAfter = async (before: Promise<void>, next: RoutingTable): Promise<void> => {
    await before
    await bed.balancer.apply(next)
    inForce = JSON.stringify(next)
  }
  const create = (): Certificates =>
    new Certificates({
      certificates: createCertificateKeeper({ stateDirectory: bed.state, node: process.execPath }),
      store,
      clock: nodeClock,
      random: nodeRandom,
      wish: () => ({ settings: project!.balancer, routes: project!.services.flatMap(({ routes }) => routes) }),
      emit: (event) => events.push(event),
      traffic: { note: apply, isInForce: () => wanted === inForce },
    })

  const stage: Stage = {
    bed,
    server,
    store,
    ports,
    events,
    certificates: create(),
    async begin(tls) {
      const route: Route = {
        to: { kind: 'domain', domain },
        path: '/',
        tls,
        proxyProtocol: { accept: false, send: false },
        idempotent: false,
      }
      const acme = { directory: server.directory, email: 'ops@example.test', caFile }
      project = {
        name: 'shop',
        stage: null,
        notify: [],
        balancer: { ...defaultSettings, address: '127.0.0.1', httpPort: ports.http, httpsPort: ports.https, acme },
        services: [{ ...aService('web', 'serve'), routes: [route] }],
      }
      await bed.start(table())
      apply()
      stage.certificates.note()
    },
    next() {
      stage.certificates.close()
      stage.certificates = create()
    },
    look() {
      // Another project as far as identity goes, as after every apply.
      project = { ...project! }
      stage.certificates.note()
    },
    isLooking: () => stage.certificates.isLooking,
    async settled() {
      await until('the table is in force', 5000, () => wanted === inForce && wanted === JSON.stringify(table()))
    },
    get: () => rawExchange(ports.http, `GET / HTTP/1.1\r\nHost: ${domain}\r\nConnection: close\r\n\r\n`),
    async [Symbol.asyncDispose]() {
      stage.certificates.close()
      await turn.catch(() => undefined)
      await server[Symbol.asyncDispose]()
      await bed[Symbol.asyncDispose]()
    },
  }
  return stage
}

const notAfterOf = (file: string): string => new X509Certificate(readFileSync(file)).validTo

async function handshake(
  port: number,
  servername: string,
  authority: string | null,
): Promise<{ readonly names: string | undefined; readonly fingerprint: string }> {
  const socket = tlsConnect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { subjectaltname, fingerprint256, raw } = socket.getPeerCertificate()
  socket.destroy()
  if (authority !== null)
    assert.ok(new X509Certificate(raw).verify(new X509Certificate(authority).publicKey), 'signed by the authority')
  return { names: subjectaltname, fingerprint: fingerprint256 }
}
