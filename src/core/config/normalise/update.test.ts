import assert from 'node:assert/strict'
import test from 'node:test'
import { refusalsOf, serviceOf } from '../../../../test/support/config-bed.ts'

const web = { command: 'x', replicas: 3, route: 'shop.example.com' }

test('every key of an update at its fullest reaches the normal form', () => {
  const update = {
    order: 'start-first',
    deadline: '5m',
    minReady: '1s',
    surge: 2,
    parallel: 3,
    pause: '10s',
    minHealthy: 2,
    drain: '1m',
    canary: { share: 0.05, for: '2m' },
  }
  assert.deepEqual(serviceOf({ ...web, update }).update, {
    order: 'start-first',
    deadlineMs: 300_000,
    minReadyMs: 1000,
    surge: 2,
    parallel: 3,
    pauseMs: 10_000,
    minHealthy: 2,
    drainMs: 60_000,
    canary: { share: 0.05, forMs: 120_000, errorRate: 0.01 },
  })
})

const shareNoun = 'a share from 0.001 to 0.5, such as 0.05 for 5 %'
const canaryHelp = 'canary for replicas with a route by HTTP, replaced start-first | null'

const bad: Readonly<Record<string, readonly [object, ...string[]]>> = {
  'a canary of a singleton': [
    { replicas: undefined, singleton: true, update: { canary: { share: 0.1, for: '1m' } } },
    `E_CONFIG_CONFLICT web.update.canary: a canary is not possible: a singleton is never there twice | ${canaryHelp}`,
  ],
  'a canary where the old is gone before the new comes': [
    { update: { order: 'stop-first', canary: { share: 0.1, for: '1m' } } },
    `E_CONFIG_CONFLICT web.update.canary: a canary is not possible: with 'stop-first' the old and the new are not there together | ${canaryHelp}`,
  ],
  'a canary that no request reaches': [
    { route: undefined, update: { canary: { share: 0.1, for: '1m' } } },
    `E_CONFIG_CONFLICT web.update.canary: a canary is not possible: no requests come through a route by HTTP | ${canaryHelp}`,
  ],
  'a canary of connections': [
    { route: { port: 5432, protocol: 'tcp' }, update: { canary: { share: 0.1, for: '1m' } } },
    `E_CONFIG_CONFLICT web.update.canary: a canary is not possible: no requests come through a route by HTTP | ${canaryHelp}`,
  ],
  'a canary without an end': [
    { update: { canary: { share: 0.1 } } },
    "E_CONFIG_REQUIRED web.update.canary: the canary has no for | { share: 0.05, for: '2m' } | null",
  ],
  'a share in percent': [
    { update: { canary: { share: 5, for: '1m' } } },
    `E_CONFIG_VALUE web.update.canary.share: 5 is not accepted here | ${shareNoun} | 0.05`,
  ],
  'a share as text': [
    { update: { canary: { share: '5%', for: '1m' } } },
    `E_CONFIG_TYPE web.update.canary.share: '5%' is a string, which is not accepted here | ${shareNoun} | 0.05`,
  ],
  'more than half': [
    { update: { canary: { share: 0.7, for: '1m' } } },
    `E_CONFIG_VALUE web.update.canary.share: 0.7 is not accepted here | ${shareNoun} | null`,
  ],
  'a minimum that lets none go': [
    { update: { order: 'stop-first', minHealthy: 3 } },
    "E_CONFIG_CONFLICT web.update.minHealthy: with 3 of 3 always ready, none could ever be stopped to make room | at most 2, or order: 'start-first' | null",
  ],
  'a pace of one': [
    { replicas: undefined, singleton: true, update: { surge: 2, pause: '1s' } },
    'E_CONFIG_CONFLICT web.update.surge: a singleton has one instance, and surge is about several | no surge, or replicas | null',
    'E_CONFIG_CONFLICT web.update.pause: a singleton has one instance, and pause is about several | no pause, or replicas | null',
  ],
  'words of others': [
    { update: { maxSurge: 1, parallelism: 2, minAvailable: 1, delay: '1s' } },
    'E_CONFIG_UNKNOWN_KEY web.update.maxSurge: maxSurge is not a known key | null | surge',
    'E_CONFIG_UNKNOWN_KEY web.update.parallelism: parallelism is not a known key | null | parallel',
    'E_CONFIG_UNKNOWN_KEY web.update.minAvailable: minAvailable is not a known key | null | minHealthy',
    'E_CONFIG_UNKNOWN_KEY web.update.delay: delay is not a known key | null | pause',
  ],
}

for (const [name, [changes, ...lines]] of Object.entries(bad)) {
  test(`refused: ${name}`, () => assert.deepEqual(refusalsOf({ services: { web: { ...web, ...changes } } }), lines))
}
