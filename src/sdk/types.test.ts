import assert from 'node:assert/strict'
import test from 'node:test'
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
const config: Config = { name: 'shop', services: { web, worker, migrate } }

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
