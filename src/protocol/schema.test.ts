/** The reader of configs and the door of the daemon hold the same thing for right: whatever the one lets pass the other accepts. */

import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { normaliseConfig } from '../core/config/normalise.ts'
import { completeProject } from '../core/model/complete.ts'
import { asRevisionNumber } from '../core/model/id.ts'
import { planChanges } from '../core/plan/plan-changes.ts'
import { cronerCron } from '../adapters/croner/index.ts'
import { wallTimeBy } from '../adapters/config-file/wall-time.ts'
import { operationRequest } from './schema.ts'

const by = { pid: 1, user: 'tester', command: 'daruma up', file: null }
const wallTime = wallTimeBy(cronerCron)

/** One of the right values, and now and then one that is not. */
const mostly = (right: readonly unknown[], wrong: readonly unknown[]): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 15, arbitrary: fc.constantFrom(...right) }, fc.constantFrom(...wrong))
/** Keys that are often absent. */
const partly = (keys: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<object> =>
  fc.record(keys, { requiredKeys: [] })

const duration = mostly(['1s', '2m', '1m30s'], ['250ms', '0s', 5])
const secret = mostly(
  [
    { from: 'environment', name: 'A' },
    { from: 'file', path: './a' },
  ],
  ['hunter2', { from: 'x' }],
)
const command = mostly(['node a.js', ['a', 'b']], ['', []])
const image = mostly(
  ['redis', 'docker.io/library/redis:7', { build: '.' }, { archive: './a.tar' }, { build: '../x', file: 'web.Dockerfile' }],
  ['UPPER', './a.tar', {}, { build: '.', archive: './a.tar' }],
)
const certificate = { certificate: './a.pem', key: './a.key' }
const tls = mostly([false, certificate], ['auto', { certificate: './a.pem' }, true])
const oneRoute = fc.oneof(
  mostly(['a.example.com', 'b.example.com', 8080, 8081, 8082], ['*.example.com', 80, 443, '8080', 'b_d']),
  fc
    .tuple(
      mostly(
        [{ domain: 'd.example.com' }, { domain: 'E.example.com' }, { port: 9090 }, { port: 9091, protocol: 'tcp' }],
        [{}, { domain: 'x.y', port: 1 }, { port: 70_000 }],
      ),
      partly({
        path: mostly(['/', '/api', '/api/'], ['api', '/a/../b']),
        tls,
        idempotent: fc.boolean(),
        proxyProtocol: mostly([{ accept: true }, { send: true }, {}], [true]),
      }),
    )
    .map(([to, more]) => ({ ...(to as object), ...more })),
)
const schedule = fc.oneof(
  mostly(['0 3 * * *', '@daily', '*/5 * * * * *'], ['0 0 30 2 *', '* * * *', 5]),
  fc
    .tuple(
      mostly(['0 3 * * *', '@hourly'], ['61 * * * *', undefined]),
      partly({
        timezone: mostly(['UTC', 'Asia/Tokyo'], ['Asia/Tokio']),
        missed: mostly(['run-once', 'skip'], ['no']),
        overlap: mostly(['forbid', 'queue', 'replace'], ['skip']),
        timeout: duration,
        retries: mostly([0, 3], [-1]),
        retryLost: fc.boolean(),
        keep: mostly([1, 20], [0]),
      }),
    )
    .map(([cron, more]) => ({ cron, ...more })),
)
const update = partly({
  order: mostly(['stop-first'], ['start-first']),
  deadline: duration,
  minReady: duration,
  surge: mostly([1, 2], [0]),
  parallel: fc.constantFrom(1, 3),
  pause: duration,
  minHealthy: mostly([0], [5]),
  drain: duration,
  canary: fc.record({ share: mostly([0.05, 0.5], [5, '5%']), for: duration, errorRate: mostly([0, 0.02], [2]) }),
})
const probe = fc.oneof(
  fc.record({ http: mostly(['/', { path: '/x' }], [{ path: '/x', port: 80 }, 'x']), interval: duration }),
  fc.record({ tcp: mostly([true], [80]) }),
  fc.record({ exec: command }),
)

const more = [
  ['image', image],
  ['pull', mostly(['missing', 'always', 'never'], ['daily'])],
  ['registry', fc.record({ username: mostly(['me'], ['']), password: secret })],
  ['containerPort', mostly([80], [0])],
  ['readOnly', fc.boolean()],
  ['capabilities', mostly([['CHOWN']], [['CAP_CHOWN'], 'CHOWN'])],
  ['network', mostly(['bridge', 'host'], ['none'])],
  ['directory', mostly(['/app'], ['./web'])],
  ['environment', mostly([{ A: 'b', C: 1 }, { S: { from: 'environment', name: 'S' } }], [{ PORT: '80' }])],
  ['secrets', mostly([['A'], { B: { from: 'file', path: './b' } }], [{ C: 'plain' }])],
  ['port', mostly(['auto', 3000], [false, 8080])],
  ['route', fc.oneof(oneRoute, fc.array(oneRoute, { maxLength: 2 }))],
  ['volumes', mostly([{ '/data': 'data' }, []], [['data']])],
  ['health', fc.oneof(probe, partly({ startup: probe, readiness: probe, liveness: probe }))],
  ['cpu', mostly([0.5], [0])],
  ['memory', mostly(['64MiB'], ['1TiB'])],
  ['user', mostly(['www-data'], ['1000:1000'])],
  ['after', mostly([['db']], [{ web: 'started' }, { db: 'healthy' }])],
  ['stop', partly({ signal: mostly(['SIGINT'], ['SIGNO']), gracePeriod: duration })],
  ['restart', mostly(['no', { budget: 3 }], ['always'])],
  ['update', update],
  ['guarantee', fc.constantFrom('strict', 'available')],
] as const

/** A work and a kind that mostly go together, and a few further keys: enough of it is right as a whole. */
const service = fc
  .tuple(
    fc.oneof({ weight: 9, arbitrary: fc.constantFrom<object>({ command: 'x' }, { image: 'redis' }) }, partly({ command, image })),
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom<object>({}, { replicas: 3 }, { singleton: true }, { job: true }) },
      { weight: 2, arbitrary: fc.record({ schedule }) },
      partly({ replicas: fc.constantFrom(0, 1), singleton: fc.constant(true), timezone: fc.constant('UTC') }),
    ),
    fc.subarray([...more], { maxLength: 4 }),
  )
  .chain(([work, kind, keys]) => fc.record(Object.fromEntries(keys)).map((rest): object => ({ ...work, ...kind, ...rest })))

const balancer = partly({
  program: mostly(['auto', 'haproxy', 'embedded'], ['nginx']),
  address: mostly(['*', '127.0.0.1', '::1'], ['localhost']),
  httpPort: mostly([80, 8000], [443]),
  accessLog: fc.boolean(),
  limits: partly({ connections: mostly([100], [1]), headerSize: mostly(['8KiB'], ['1B']), headerTimeout: duration }),
  acme: mostly([true, {}, { email: 'a@b.c', caFile: './ca.pem' }], [{ directory: 'http://x.example' }]),
})

const config = fc.record(
  {
    name: fc.constant('shop'),
    services: fc
      .tuple(service, fc.option(service))
      .map(([web, api]) => ({ web, ...(api === null ? {} : { api }), db: { command: 'postgres' } })),
    balancer,
  },
  { requiredKeys: ['name', 'services'] },
)

test('whatever is accepted as a config is accepted by the daemon as it is, and planned as unchanged on itself', () => {
  let accepted = 0
  let refused = 0
  fc.assert(
    fc.property(config, fc.boolean(), (raw, root) => {
      const answer = normaliseConfig(raw, { directory: '/srv', stage: null, root, hostMemoryBytes: 2 ** 34, wallTime })
      if (!answer.ok) {
        refused += 1
        assert.ok(answer.problems.length > 0)
        for (const { code, message, allowed, path } of answer.problems) {
          assert.match(code, /^E_CONFIG_[A-Z_]+$/)
          assert.doesNotMatch(`${message} ${allowed}`, /undefined|NaN|\[object|\[function/)
          assert.ok(
            path.every((key) => key !== ''),
            path.join('.'),
          )
        }
        return
      }
      accepted += 1
      const { project } = answer
      const request = { by, kind: 'apply', project, secrets: {}, base: 0, fingerprint: null, only: null }
      assert.deepEqual(operationRequest(JSON.parse(JSON.stringify(request)), 'request'), request)
      assert.equal(completeProject(project), project)
      const recorded = { revision: asRevisionNumber(1), project, stoppedByHand: [], generations: {}, completedJobs: {} }
      const outcome = planChanges({ desired: project, recorded, observed: [], isRollback: false, only: null })
      assert.deepEqual('plan' in outcome && outcome.plan.steps, [])
    }),
    { numRuns: 1500 },
  )
  assert.ok(accepted > 150 && refused > 150, `${accepted} accepted, ${refused} refused: the property has looked at too little`)
})
