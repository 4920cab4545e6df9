import assert from 'node:assert/strict'
import test from 'node:test'
import { normaliseConfig } from '../core/config/normalise.ts'
import { define, secret, type Config, type Service } from './index.ts'

/**
 * The promises of the types, held by the compiler (`npm run check`): each line under `@ts-expect-error` must not type-check, and
 * the check fails when one does. What runs here is only that nothing was changed on the way.
 */

const web: Service = {
  command: 'node server.js',
  replicas: 3,
  cpu: 0.5,
  memory: '256MiB',
  port: 'auto',
  environment: { LEVEL: 'info', DEBUG: false, COUNT: 3, TOKEN: secret('TOKEN'), OLD: undefined },
  secrets: { PASSWORD: secret.file('./password'), KEY: secret.command(['pass', 'show', 'key']) },
  volumes: { '/data': 'cache' },
  health: { http: '/healthz', interval: '1s', startPeriod: '1m30s' },
  after: { migrate: 'completed' },
  restart: { policy: 'on-failure', delay: false },
}
const worker: Service = {
  command: ['node', 'worker.js'],
  singleton: true,
  health: { readiness: { tcp: true }, liveness: { exec: 'true', retries: 9 } },
}
const migrate: Service = { command: 'node migrate.js', job: true, restart: 'no', secrets: ['DB_PASSWORD'] }
const cache: Service = {
  image: 'docker.io/library/redis:7',
  singleton: true,
  containerPort: 6379,
  pull: 'always',
  registry: { username: 'shop', password: secret('REGISTRY_PASSWORD') },
  readOnly: true,
  capabilities: ['NET_BIND_SERVICE', 'WAKE_ALARM'],
  network: 'bridge',
  volumes: { '/data': 'cache' },
  user: '1000:1000',
}
const built: Service = { image: { build: './web', file: 'Dockerfile.production' }, command: ['serve'], replicas: 2, route: 8081 }
const loaded: Service = { image: { archive: './web.tar' }, job: true }
const report: Service = { command: 'node report.js', schedule: '0 3 * * *', timezone: 'Asia/Tokyo', after: ['cache'] }
const clean: Service = {
  image: 'app',
  schedule: {
    cron: '@daily',
    timezone: 'UTC',
    missed: 'skip',
    overlap: 'queue',
    timeout: '1h',
    retries: 2,
    retryLost: true,
    keep: 5,
  },
}
const served: Service = {
  command: 'node server.js',
  replicas: 3,
  route: [
    'shop.example.com',
    8080,
    { domain: 'www.example.com', path: '/api', tls: 'auto' },
    { domain: 'old.example.com', tls: { certificate: './a.pem', key: './a.key' } },
  ],
  update: {
    surge: 2,
    parallel: 2,
    pause: '1s',
    minHealthy: 2,
    drain: '1m',
    canary: { share: 0.05, for: '2m', errorRate: 0.01 },
  },
}
const stream: Service = {
  command: 'x',
  singleton: true,
  route: {
    port: 8443,
    protocol: 'tcp',
    tls: { certificate: './a.pem', key: './a.key' },
    proxyProtocol: { accept: true, send: true },
  },
}
const again: Service = { command: 'x', route: { port: 8082, path: '/v1', idempotent: true } }
const config: Config = {
  name: 'shop',
  services: { web, worker, migrate, cache, built, loaded, report, clean, served, stream, again },
  balancer: {
    program: 'haproxy',
    address: '*',
    httpPort: 80,
    httpsPort: 443,
    accessLog: true,
    limits: {
      connections: 100,
      headerSize: '16KiB',
      bodySize: '1MiB',
      headerTimeout: '5s',
      idleTimeout: '1m',
      tunnelTimeout: '1h',
    },
    acme: { email: 'ops@example.com' },
  },
}
export const small: Config = { name: 'shop', services: {}, balancer: { acme: true } }

export const wrong: readonly unknown[] = [
  // @ts-expect-error Two kinds at once.
  { command: 'x', replicas: 2, singleton: true } satisfies Service,
  // @ts-expect-error Two kinds at once.
  { command: 'x', singleton: true, job: true } satisfies Service,
  // @ts-expect-error Two kinds at once.
  { command: 'x', replicas: 1, job: true } satisfies Service,
  // @ts-expect-error A kind is said or left out, never denied.
  { command: 'x', singleton: false } satisfies Service,
  // @ts-expect-error Nothing to run.
  { replicas: 2 } satisfies Service,
  // @ts-expect-error An unknown key.
  { command: 'x', comand: 'x' } satisfies Service,
  // @ts-expect-error A duration has a unit.
  { command: 'x', stop: { gracePeriod: 30 } } satisfies Service,
  // @ts-expect-error A duration has a unit that exists.
  { command: 'x', stop: { gracePeriod: '30 seconds' } } satisfies Service,
  // @ts-expect-error A size has a unit.
  { command: 'x', memory: 512 } satisfies Service,
  // @ts-expect-error Kubernetes' unit is not ours.
  { command: 'x', memory: '512Mi' } satisfies Service,
  // @ts-expect-error Two checks in one probe.
  { command: 'x', health: { http: '/', tcp: true } } satisfies Service,
  // @ts-expect-error Both forms of health.
  { command: 'x', health: { http: '/', readiness: { tcp: true } } } satisfies Service,
  // @ts-expect-error A probe that checks nothing.
  { command: 'x', health: { interval: '1s' } } satisfies Service,
  // @ts-expect-error A job has no health.
  { command: 'x', job: true, health: { tcp: true } } satisfies Service,
  // @ts-expect-error A secret is named, never written.
  { command: 'x', secrets: { PASSWORD: 'hunter2' } } satisfies Service,
  // @ts-expect-error No such condition.
  { command: 'x', after: { web: 'running' } } satisfies Service,
  // @ts-expect-error No such policy.
  { command: 'x', restart: 'unless-stopped' } satisfies Service,
  // @ts-expect-error A mount point is absolute.
  { command: 'x', volumes: { data: 'cache' } } satisfies Service,
  // @ts-expect-error Neither a command nor an image.
  { replicas: 2, route: 80 } satisfies Service,
  // @ts-expect-error A process is not pulled.
  { command: 'x', pull: 'always' } satisfies Service,
  // @ts-expect-error A process comes from no registry.
  { command: 'x', registry: { username: 'a', password: secret('A') } } satisfies Service,
  // @ts-expect-error A process has this host's ports.
  { command: 'x', containerPort: 80 } satisfies Service,
  // @ts-expect-error A process has no files of its own.
  { command: 'x', readOnly: true } satisfies Service,
  // @ts-expect-error A process has the capabilities of its user.
  { command: 'x', capabilities: ['CHOWN'] } satisfies Service,
  // @ts-expect-error A process has this host's network.
  { command: 'x', network: 'none' } satisfies Service,
  // @ts-expect-error A volume of a container has a mount point.
  { image: 'x', volumes: ['data'] } satisfies Service,
  // @ts-expect-error An archive and a folder.
  { image: { archive: './a.tar', build: './b' } } satisfies Service,
  // @ts-expect-error A Dockerfile of an archive.
  { image: { archive: './a.tar', file: 'Dockerfile' } } satisfies Service,
  // @ts-expect-error A registry's password is named, never written.
  { image: 'x', registry: { username: 'a', password: 'hunter2' } } satisfies Service,
  // @ts-expect-error Two kinds at once.
  { command: 'x', schedule: '@daily', replicas: 2 } satisfies Service,
  // @ts-expect-error Two kinds at once.
  { command: 'x', schedule: '@daily', singleton: true } satisfies Service,
  // @ts-expect-error Two kinds at once.
  { command: 'x', schedule: '@daily', job: true } satisfies Service,
  // @ts-expect-error A time zone of nothing.
  { command: 'x', timezone: 'UTC' } satisfies Service,
  // @ts-expect-error The time zone twice.
  { command: 'x', schedule: { cron: '@daily', timezone: 'UTC' }, timezone: 'UTC' } satisfies Service,
  // @ts-expect-error The finer points stand in the object.
  { command: 'x', schedule: '@daily', overlap: 'queue' } satisfies Service,
  // @ts-expect-error No such overlap.
  { command: 'x', schedule: { cron: '@daily', overlap: 'skip' } } satisfies Service,
  // @ts-expect-error A schedule has no health.
  { command: 'x', schedule: '@daily', health: { tcp: true } } satisfies Service,
  // @ts-expect-error A schedule is attempted again by its retries.
  { command: 'x', schedule: '@daily', restart: 'always' } satisfies Service,
  // @ts-expect-error A schedule is not replaced.
  { command: 'x', schedule: '@daily', update: { order: 'stop-first' } } satisfies Service,
  // @ts-expect-error A schedule serves nobody.
  { command: 'x', schedule: '@daily', route: 80 } satisfies Service,
  // @ts-expect-error A job serves nobody.
  { command: 'x', job: true, route: 80 } satisfies Service,
  // @ts-expect-error A domain and a port.
  { command: 'x', route: { domain: 'a.example.com', port: 80 } } satisfies Service,
  // @ts-expect-error Neither a domain nor a port.
  { command: 'x', route: { path: '/x' } } satisfies Service,
  // @ts-expect-error Only HTTP says which domain is meant.
  { command: 'x', route: { domain: 'a.example.com', protocol: 'tcp' } } satisfies Service,
  // @ts-expect-error An automatic certificate is for a domain.
  { command: 'x', route: { port: 443, tls: 'auto' } } satisfies Service,
  // @ts-expect-error Half a certificate.
  { command: 'x', route: { port: 443, tls: { certificate: './a.pem' } } } satisfies Service,
  // @ts-expect-error A path begins with a slash.
  { command: 'x', route: { port: 80, path: 'api' } } satisfies Service,
  // @ts-expect-error Which side speaks the PROXY protocol?
  { command: 'x', route: { port: 80, proxyProtocol: true } } satisfies Service,
  // @ts-expect-error A canary has an end.
  { command: 'x', route: 80, update: { canary: { share: 0.1 } } } satisfies Service,
  // @ts-expect-error No such program.
  { name: 'shop', services: {}, balancer: { program: 'nginx' } } satisfies Config,
  // @ts-expect-error A size has a unit.
  { name: 'shop', services: {}, balancer: { limits: { bodySize: 1000 } } } satisfies Config,
  // @ts-expect-error Certificates are wanted or not spoken of.
  { name: 'shop', services: {}, balancer: { acme: false } } satisfies Config,
  // @ts-expect-error Services are required.
  { name: 'shop' } satisfies Config,
  // @ts-expect-error A later version's key.
  { name: 'shop', services: {}, hosts: {} } satisfies Config,
]

// @ts-expect-error An unknown key, through define.
define({ name: 'shop', services: { web: { command: 'x', comand: 'x' } } })
// @ts-expect-error Two kinds, through a function of the stage.
define(() => ({ name: 'shop', services: { web: { command: 'x', singleton: true as const, replicas: 2 } } }))
// @ts-expect-error Nothing is returned.
define(() => {})

test('define gives back what it was given, and secret() is plain data', () => {
  const byStage = ({ stage }: { readonly stage: string | null }): Config => ({ ...config, name: stage ?? 'shop' })
  assert.equal(define(config), config)
  assert.equal(define(byStage), byStage)
  assert.deepEqual(
    [secret('A'), secret.file('./a'), secret.command(['pass', 'a'])],
    [
      { from: 'environment', name: 'A' },
      { from: 'file', path: './a' },
      { from: 'command', command: ['pass', 'a'] },
    ],
  )
})

test('what type-checks is accepted when it is loaded', () => {
  const context = { directory: '/srv', stage: null, root: true, hostMemoryBytes: 2 ** 34, wallTime: null }
  for (const one of [config, small])
    assert.deepEqual(normaliseConfig(one, context).ok, true, JSON.stringify(normaliseConfig(one, context)))
})
