import assert from 'node:assert/strict'
import { defaultBalancer as balancer } from '../keys/balancer.ts'
import { updatePace } from '../keys/service/update.ts'
import test from 'node:test'
import fc from 'fast-check'
import type { Problem } from '../values/problem.ts'
import type { Project, Service } from '../model/service.ts'
import type { AnyKeys } from '../keys/key.ts'
import { tables } from '../keys/tables.ts'
import { type ConfigContext, mostServices, normaliseConfig } from './normalise.ts'

const context: ConfigContext = { directory: '/srv/shop', stage: null, root: true, hostMemoryBytes: 8 * 1024 ** 3, wallTime: null }

function projectOf(raw: unknown, inContext: ConfigContext = context): Project {
  const answer = normaliseConfig(raw, inContext)
  assert.ok(answer.ok, JSON.stringify(answer))
  return answer.project
}

function serviceOf(service: unknown, inContext: ConfigContext = context): Service {
  return projectOf({ name: 'shop', services: { web: service } }, inContext).services[0]!
}

function problemsOf(raw: unknown, inContext: ConfigContext = context): readonly Problem[] {
  const answer = normaliseConfig(raw, inContext)
  assert.ok(!answer.ok, 'the config was accepted')
  return answer.problems
}

/** Problems of one service `web`, as `path: message | allowed | suggestion`. */
function refusals(services: Record<string, unknown>, inContext: ConfigContext = context): readonly string[] {
  return problemsOf({ name: 'shop', services }, inContext).map(
    ({ code, path, message, allowed, suggestion }) => `${code} ${path.join('.')}: ${message} | ${allowed} | ${suggestion}`,
  )
}

const webDefaults: Service = {
  name: 'web' as Service['name'],
  scale: { kind: 'replicas', count: 1 },
  runs: { kind: 'process', command: ['/bin/sh', '-c', 'node server.js'], source: null, directory: '/srv/shop', user: null },
  environment: {},
  secrets: {},
  port: { kind: 'auto' },
  routes: [],
  volumes: [],
  health: { startup: null, readiness: null, liveness: null, startPeriodMs: 60_000 },
  limits: { cpuCores: null, memoryBytes: null, pids: null },
  after: [],
  stop: { signal: 'SIGTERM', gracePeriodMs: 10_000, to: 'leader' },
  restart: { policy: 'always', delayMs: 100, maxDelayMs: 30_000, resetAfterMs: 10_000, budget: 5 },
  update: { order: 'start-first', deadlineMs: 60_000, minReadyMs: 500, ...updatePace },
  guarantee: 'available',
  protect: false,
  envFile: [],
  ulimits: {},
  logs: { maxBytes: 10_485_760 },
}

test('a command alone becomes one replica with every default filled in', () => {
  assert.deepEqual(projectOf({ name: 'shop', services: { web: { command: 'node server.js' } } }), {
    name: 'shop',
    stage: null,
    balancer,
    notify: [],
    services: [webDefaults],
  })
})

test('every key at its fullest reaches the normal form', () => {
  const written = {
    command: ['node', 'server.js'],
    replicas: 3,
    directory: '../web/./x',
    environment: { LEVEL: 'info', COUNT: 3, DEBUG: false, TOKEN: { from: 'environment', name: 'APP_TOKEN' } },
    secrets: { PASSWORD: { from: 'file', path: './password' }, KEY: { from: 'command', command: ['./get-key', 'x'] } },
    port: 'auto',
    health: {
      startup: { exec: ['true'], interval: '200ms' },
      readiness: { http: { path: '/ready', port: 9000, host: 'localhost' }, timeout: '2s' },
      liveness: { tcp: true, retries: 10 },
      startPeriod: '2m',
    },
    cpu: 0.5,
    memory: '256MiB',
    pids: 100,
    user: 'www-data',
    stop: { signal: 'SIGINT', gracePeriod: '30s' },
    restart: { policy: 'on-failure', delay: '1s', maxDelay: '1m', resetAfter: '20s', budget: 3 },
    update: { order: 'stop-first', deadline: '5m', minReady: '1s' },
    guarantee: 'strict',
    protect: true,
    logs: { maxSize: '1MiB' },
  }
  assert.deepEqual(serviceOf(written), {
    ...webDefaults,
    scale: { kind: 'replicas', count: 3 },
    runs: { kind: 'process', command: ['node', 'server.js'], source: null, directory: '/srv/web/x', user: 'www-data' },
    environment: { LEVEL: 'info', COUNT: '3', DEBUG: 'false' },
    secrets: {
      TOKEN: { source: { from: 'environment', name: 'APP_TOKEN' }, digest: null },
      PASSWORD: { source: { from: 'file', path: '/srv/shop/password' }, digest: null },
      KEY: { source: { from: 'command', command: ['/srv/shop/get-key', 'x'] }, digest: null },
    },
    health: {
      startup: { check: { kind: 'exec', command: ['true'] }, intervalMs: 200, timeoutMs: 1000, retries: 3 },
      readiness: {
        check: { kind: 'http', path: '/ready', port: 9000, host: 'localhost' },
        intervalMs: 1000,
        timeoutMs: 2000,
        retries: 3,
      },
      liveness: { check: { kind: 'tcp', port: null }, intervalMs: 1000, timeoutMs: 1000, retries: 10 },
      startPeriodMs: 120_000,
    },
    limits: { cpuCores: 0.5, memoryBytes: 268_435_456, pids: 100 },
    stop: { signal: 'SIGINT', gracePeriodMs: 30_000, to: 'leader' },
    restart: { policy: 'on-failure', delayMs: 1000, maxDelayMs: 60_000, resetAfterMs: 20_000, budget: 3 },
    update: { order: 'stop-first', deadlineMs: 300_000, minReadyMs: 1000, ...updatePace },
    guarantee: 'strict',
    protect: true,
    logs: { maxBytes: 1_048_576 },
  } satisfies Service)
})

test('a singleton is strict and replaced stop-first; a job is strict, has no port, an hour, and no restart', () => {
  assert.deepEqual(serviceOf({ command: 'node server.js', singleton: true }), {
    ...webDefaults,
    scale: { kind: 'singleton' },
    update: { ...webDefaults.update, order: 'stop-first' },
    guarantee: 'strict',
  })
  assert.deepEqual(serviceOf({ command: 'node server.js', job: true }), {
    ...webDefaults,
    scale: { kind: 'job' },
    port: { kind: 'none' },
    restart: { ...webDefaults.restart, policy: 'no' },
    update: { order: 'stop-first', deadlineMs: 3_600_000, minReadyMs: 500, ...updatePace },
    guarantee: 'strict',
  })
})

test('a volume or a fixed port makes stop-first the default', () => {
  const { volumes, update } = serviceOf({ command: 'x', volumes: { '/data': 'cache', '/var/lib/x': 'x' } })
  assert.deepEqual(
    { volumes, order: update.order },
    {
      volumes: [
        { name: 'cache', target: '/data' },
        { name: 'x', target: '/var/lib/x' },
      ],
      order: 'stop-first',
    },
  )
  assert.deepEqual(serviceOf({ command: 'x', volumes: ['cache'] }).volumes, [{ name: 'cache', target: null }])
  assert.equal(serviceOf({ command: 'x', port: 8080 }).update.order, 'stop-first')
})

test('the short form of health stands for readiness, and for liveness with three times the retries', () => {
  const probe = {
    check: { kind: 'http', path: '/healthz', port: null, host: null },
    intervalMs: 5000,
    timeoutMs: 1000,
    retries: 2,
  }
  assert.deepEqual(serviceOf({ command: 'x', health: { http: '/healthz', interval: '5s', retries: 2 } }).health, {
    startup: null,
    readiness: probe,
    liveness: { ...probe, retries: 6 },
    startPeriodMs: 60_000,
  })
})

test('back-off is turned off by 0s and by false, and a long delay lengthens the longest one', () => {
  assert.deepEqual(
    ['0s', false, '2m'].map((delay) => {
      const { delayMs, maxDelayMs } = serviceOf({ command: 'x', restart: { delay } }).restart
      return [delayMs, maxDelayMs]
    }),
    [
      [0, 30_000],
      [0, 30_000],
      [120_000, 120_000],
    ],
  )
  assert.equal(serviceOf({ command: 'x', restart: 'on-failure' }).restart.policy, 'on-failure')
})

test('the condition of a bare dependency follows from what it names', () => {
  const services = {
    web: { command: 'x', after: ['migrate', 'cache', 'plain'] },
    migrate: { command: 'x', job: true },
    cache: { command: 'x', health: { tcp: true } },
    plain: { command: 'x', after: { cache: 'started' } },
  }
  assert.deepEqual(
    projectOf({ name: 'shop', services }).services.map(({ name, after }) => [
      name,
      after.map(({ service, condition }) => `${service} ${condition}`),
    ]),
    [
      ['cache', []],
      ['migrate', []],
      ['plain', ['cache started']],
      ['web', ['migrate completed', 'cache healthy', 'plain started']],
    ],
  )
})

test('undefined is the same as a key left out, for keys, variables and services', () => {
  const written = { command: 'node server.js', replicas: undefined, environment: { A: undefined }, health: undefined }
  assert.deepEqual(projectOf({ name: 'shop', services: { web: written, old: undefined } }).services, [webDefaults])
})

test('a normal project is plain JSON', () => {
  const project = projectOf({ name: 'shop', services: { web: { command: 'x', secrets: ['A'], health: { tcp: true } } } })
  assert.deepEqual(JSON.parse(JSON.stringify(project)), project)
})

test('an unknown key names the nearest known one, or the word that another tool has for it', () => {
  assert.deepEqual(
    refusals({
      web: {
        command: 'x',
        comand: 1,
        env: {},
        depends_on: [],
        healthcheck: {},
        ports: [],
        instances: 2,
        zebra: 1,
        stop_grace_period: '1s',
      },
    }),
    [
      'E_CONFIG_UNKNOWN_KEY services.web.comand: comand is not a known key | null | command',
      'E_CONFIG_UNKNOWN_KEY services.web.env: env is not a known key | null | environment',
      'E_CONFIG_UNKNOWN_KEY services.web.depends_on: depends_on is not a known key | null | after',
      'E_CONFIG_UNKNOWN_KEY services.web.healthcheck: healthcheck is not a known key | null | health',
      'E_CONFIG_UNKNOWN_KEY services.web.ports: ports is not a known key | null | port',
      'E_CONFIG_UNKNOWN_KEY services.web.instances: instances is not a known key | null | replicas',
      'E_CONFIG_UNKNOWN_KEY services.web.zebra: zebra is not a known key | command, image, pull, registry, containerPort, readOnly, capabilities, network, replicas, singleton, job, schedule, timezone, source, directory, user, environment, secrets, port, route, volumes, health, cpu, memory, pids, after, stop, restart, update, logs, guarantee, protect, envFile, ulimits | null',
      'E_CONFIG_UNKNOWN_KEY services.web.stop_grace_period: stop_grace_period is not a known key | null | stop.gracePeriod',
    ],
  )
  assert.deepEqual(problemsOf({ name: 'shop', service: {}, services: {} }), [
    {
      code: 'E_CONFIG_UNKNOWN_KEY',
      path: ['service'],
      message: 'service is not a known key',
      allowed: null,
      suggestion: 'services',
    },
  ])
})

test('a misspelt command is not also called a missing one', () => {
  assert.deepEqual(refusals({ web: { cmd: 'x' } }), [
    'E_CONFIG_UNKNOWN_KEY services.web.cmd: cmd is not a known key | null | command',
  ])
  assert.deepEqual(refusals({ web: {} }), [
    "E_CONFIG_REQUIRED services.web: the service web has neither a command nor an image | command: 'node server.js', or image: 'docker.io/library/redis:7' | null",
  ])
})

test('what a later version will know is refused by name', () => {
  assert.deepEqual(
    problemsOf({
      name: 'shop',
      hosts: {},
      provision: [],
      services: { web: { command: 'x', everyHost: true } },
    }).map(({ code, path, message }) => `${code} ${path.join('.')}: ${message}`),
    [
      'E_CONFIG_NOT_YET hosts: hosts is not supported by this version yet',
      'E_CONFIG_NOT_YET provision: provision is not supported by this version yet',
      'E_CONFIG_NOT_YET services.web.everyHost: everyHost is not supported by this version yet',
    ],
  )
})

test('a wrong type shows the value, what is allowed, and what was meant', () => {
  assert.deepEqual(
    refusals({
      web: {
        command: 42,
        replicas: '3',
        directory: null,
        environment: { LIST: ['a', 'b'], ZERO: Number.NaN },
        port: '8080:3000',
        cpu: '500m',
        memory: 512,
        pids: 1.5,
        protect: 'yes',
        restart: 'unless-stopped',
        stop: { signal: 'TERM', gracePeriod: 30 },
        logs: [],
        after: 'db',
      },
    }),
    [
      "E_CONFIG_TYPE services.web.command: 42 is a number, which is not accepted here | a command line such as 'node server.js' (run by sh -c), or an array of arguments such as ['node', 'server.js'] | null",
      "E_CONFIG_TYPE services.web.replicas: '3' is a string, which is not accepted here | a whole number from 0 to 1000 | 3",
      'E_CONFIG_TYPE services.web.directory: null is not accepted here | a path, absolute or from the folder of the config | null',
      "E_CONFIG_TYPE services.web.environment.LIST: ['a', 'b'] is an array, which is not accepted here | a string, a number, a boolean or secret('NAME') | null",
      "E_CONFIG_VALUE services.web.environment.ZERO: NaN is not accepted here | a string, a number, a boolean or secret('NAME') | null",
      "E_CONFIG_VALUE services.web.port: '8080:3000' is not accepted here | 'auto', false, or a port from 1 to 65535 | 3000",
      "E_CONFIG_TYPE services.web.cpu: '500m' is a string, which is not accepted here | a number of cores from 0.01 to 1024, in steps of a thousandth, such as 0.5 | 0.5",
      "E_CONFIG_TYPE services.web.memory: 512 has no unit | a size from 1MiB to 1024TiB, such as '512MiB' or '1GB' | '512MiB'",
      'E_CONFIG_VALUE services.web.pids: 1.5 is not accepted here | a whole number from 1 to 4194304 | null',
      "E_CONFIG_TYPE services.web.protect: 'yes' is a string, which is not accepted here | true or false | true",
      "E_CONFIG_VALUE services.web.restart: 'unless-stopped' is not accepted here | 'always', 'on-failure', 'no' | 'always'",
      "E_CONFIG_VALUE services.web.stop.signal: 'TERM' is not accepted here | 'SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGKILL', 'SIGWINCH' | 'SIGTERM'",
      "E_CONFIG_TYPE services.web.stop.gracePeriod: 30 has no unit | a duration from 0s to 1d, such as '30s', '1m30s' or '250ms' | '30s'",
      'E_CONFIG_TYPE services.web.logs: [] is an array, which is not accepted here | an object with maxSize | null',
      "E_CONFIG_TYPE services.web.after: 'db' is a string, which is not accepted here | an array of services such as ['migrate'], or an object of service → 'started', 'healthy' or 'completed' | ['db']",
    ],
  )
})

test('a long value is shortened in its message', () => {
  const [problem] = problemsOf({ name: 'shop', services: { web: { command: 'x', replicas: 'x'.repeat(10_000) } } })
  assert.equal(problem?.message, `'${'x'.repeat(58)}… is a string, which is not accepted here`)
})

test('two kinds at once are refused', () => {
  const allowed = 'at most one of replicas, singleton, job, schedule | null'
  assert.deepEqual(
    refusals({
      a: { command: 'x', replicas: 2, singleton: true },
      b: { command: 'x', singleton: true, job: true },
      c: { command: 'x', singleton: false },
    }),
    [
      `E_CONFIG_CONFLICT services.a.singleton: replicas and singleton stand side by side | ${allowed}`,
      `E_CONFIG_CONFLICT services.b.job: singleton and job stand side by side | ${allowed}`,
      'E_CONFIG_VALUE services.c.singleton: false is not accepted here | true (leave the key out otherwise) | null',
    ],
  )
})

test('start-first is refused where two instances would share something', () => {
  const update = { order: 'start-first' }
  const allowed = "'stop-first' | 'stop-first'"
  assert.deepEqual(
    refusals({
      a: { command: 'x', update, port: 80 },
      b: { command: 'x', update, volumes: ['v'] },
      c: { command: 'x', update, singleton: true },
      d: { command: 'x', update, job: true },
    }),
    [
      `E_CONFIG_CONFLICT services.a.update.order: 'start-first' is not possible: the old and the new instance would share a port | ${allowed}`,
      `E_CONFIG_CONFLICT services.b.update.order: 'start-first' is not possible: the old and the new instance would share a volume | ${allowed}`,
      `E_CONFIG_CONFLICT services.c.update.order: 'start-first' is not possible: there would be two of a singleton | ${allowed}`,
      `E_CONFIG_CONFLICT services.d.update.order: 'start-first' is not possible: there would be two of a job | ${allowed}`,
    ],
  )
})

test('a fixed port is refused for several replicas, and when two services want it', () => {
  assert.deepEqual(refusals({ a: { command: 'x', replicas: 2, port: 80 }, b: { command: 'x', port: 80 } }), [
    "E_CONFIG_CONFLICT services.a.port: 2 replicas cannot all listen on port 80 | port: 'auto', or one replica | 'auto'",
    "E_CONFIG_DUPLICATE_PORT services.b.port: port 80 is wanted by a and by b | another port, or 'auto' | null",
  ])
  assert.equal(serviceOf({ command: 'x', replicas: 1, port: 80 }).port.kind, 'fixed')
})

test('PORT in the environment is refused beside a port of ours, and accepted without one', () => {
  assert.deepEqual(refusals({ web: { command: 'x', environment: { PORT: 3000 } } }), [
    'E_CONFIG_CONFLICT services.web.environment.PORT: PORT is given by Daruma | port on the service, which sets PORT; or port: false | port: 3000',
  ])
  assert.deepEqual(serviceOf({ command: 'x', port: false, environment: { PORT: 3000 } }).environment, { PORT: '3000' })
})

test('dependencies that cannot be fulfilled are refused', () => {
  assert.deepEqual(
    refusals({
      web: { command: 'x', after: ['migrat', 'zebra'] },
      api: { command: 'x', after: { web: 'completed', migrate: 'healthy', worker: 'helthy' } },
      worker: { command: 'x', after: { web: 'healthy' } },
      migrate: { command: 'x', job: true },
    }),
    [
      "E_CONFIG_VALUE services.api.after.worker: 'helthy' is not accepted here | 'started', 'healthy', 'completed' | 'healthy'",
      "E_CONFIG_UNKNOWN_SERVICE services.web.after.0: there is no service 'migrat' | null | 'migrate'",
      "E_CONFIG_UNKNOWN_SERVICE services.web.after.1: there is no service 'zebra' | one of web, api, worker, migrate | null",
      "E_CONFIG_CONDITION services.api.after.web: web is not a job and never completes | 'started' | null",
      "E_CONFIG_CONDITION services.api.after.migrate: migrate has no health probe and never becomes healthy | 'completed' or 'started' | null",
      "E_CONFIG_CONDITION services.worker.after.web: web has no health probe and never becomes healthy | 'started', or health on that service | null",
    ],
  )
})

test('a circle of dependencies is printed once, and a service that waits for itself is one', () => {
  assert.deepEqual(
    refusals({
      lead: { command: 'x', after: ['a'] },
      a: { command: 'x', after: ['b'] },
      b: { command: 'x', after: ['c'] },
      c: { command: 'x', after: ['a'] },
      self: { command: 'x', after: ['self'] },
    }),
    [
      'E_CONFIG_CYCLE services.c.after.0: these services wait for each other: a → b → c → a | an order in which every service can start | null',
      'E_CONFIG_CYCLE services.self.after.0: self waits for itself | an order in which every service can start | null',
    ],
  )
})

test('impossible memory is refused with the bound', () => {
  assert.deepEqual(
    refusals({
      a: { command: 'x', memory: '9GiB' },
      b: { command: 'x', memory: '1023KiB' },
      c: { command: 'x', memory: '-1MiB' },
    }),
    [
      'E_CONFIG_MEMORY services.a.memory: 9GiB is more than this machine has | at most 8GiB | null',
      "E_CONFIG_VALUE services.b.memory: '1023KiB' is not accepted here | a size from 1MiB to 1024TiB, such as '512MiB' or '1GB' | null",
      "E_CONFIG_VALUE services.c.memory: '-1MiB' is not accepted here | a size from 1MiB to 1024TiB, such as '512MiB' or '1GB' | null",
    ],
  )
})

test('a user and a mount point need root', () => {
  const service = { command: 'x', user: 'www-data', volumes: { '/data': 'my-cache' } }
  assert.deepEqual(refusals({ web: service }, { ...context, root: false }), [
    "E_CONFIG_NEEDS_ROOT services.web.volumes./data: only root can mount a volume at /data | volumes: ['my-cache'], whose path is in DARUMA_VOLUME_MY_CACHE; or Daruma run as root | null",
    'E_CONFIG_NEEDS_ROOT services.web.user: only root can run a command as www-data | no user, or Daruma run as root | null',
  ])
})

test('health that contradicts itself or cannot be asked is refused', () => {
  assert.deepEqual(
    refusals({
      a: { command: 'x', health: {} },
      b: { command: 'x', health: { http: '/x', tcp: true } },
      c: { command: 'x', health: { readiness: { tcp: true }, interval: '1s' } },
      d: { command: 'x', health: { http: '/x' }, port: false },
      e: { command: 'x', job: true, port: 'auto', health: { tcp: true } },
      f: { command: 'x', health: { http: 'http://localhost:3000/up' } },
      g: { command: 'x', health: { http: { port: 80 } } },
    }),
    [
      'E_CONFIG_REQUIRED services.a.health: nothing says what is checked | exactly one of http, tcp, exec | null',
      'E_CONFIG_CONFLICT services.b.health: http and tcp stand side by side | exactly one of http, tcp, exec | null',
      'E_CONFIG_CONFLICT services.c.health: interval cannot stand beside startup, readiness and liveness | one check for all, or each probe with its own | null',
      "E_CONFIG_CONFLICT services.d.health.http: the service has no port that could be asked | port: 'auto' on the service, or http: { path: '/x', port: 8080 } | null",
      'E_CONFIG_CONFLICT services.e.health: a job has no health: it is done when it ends with exit code 0 | null | null',
      "E_CONFIG_VALUE services.f.health.http: 'http://localhost:3000/up' is not accepted here | a path such as '/healthz', or { path, port, host } | '/up'",
      "E_CONFIG_REQUIRED services.g.health.http: the http check has no path | a path such as '/healthz' | null",
    ],
  )
})

test('a restart policy that contradicts itself is refused', () => {
  assert.deepEqual(
    refusals({
      a: { command: 'x', job: true, restart: 'always' },
      b: { command: 'x', restart: { delay: '1m', maxDelay: '1s' } },
    }),
    [
      "E_CONFIG_CONFLICT services.a.restart: a job that is always started again never ends | 'on-failure' or 'no' | 'on-failure'",
      'E_CONFIG_CONFLICT services.b.restart.maxDelay: maxDelay is shorter than delay | maxDelay of at least delay | null',
    ],
  )
})

test('names of projects, services, volumes, variables and stages are checked', () => {
  const rule = '1 to 40 of a-z, 0-9 and -, beginning with a letter and not ending in -'
  assert.deepEqual(
    problemsOf(
      {
        name: 'My Shop',
        services: {
          Web_1: { command: 'x' },
          ok: { command: 'x', volumes: ['DATA'], environment: { '1A': 1, DARUMA_EPOCH: 1, 'a-b': 1 } },
        },
      },
      { ...context, stage: '../up' },
    ).map(({ code, path, message, allowed, suggestion }) => `${code} ${path.join('.')}: ${message} | ${allowed} | ${suggestion}`),
    [
      `E_CONFIG_NAME name: 'My Shop' cannot be the name of a project | ${rule} | my-shop`,
      `E_CONFIG_NAME : '../up' cannot be the name of a stage | ${rule} | null`,
      `E_CONFIG_NAME services.Web_1: 'Web_1' cannot be the name of a service | ${rule} | web-1`,
      "E_CONFIG_NAME services.ok.environment.1A: '1A' cannot be the name of an environment variable | letters, digits and _, not beginning with a digit | null",
      "E_CONFIG_NAME services.ok.environment.DARUMA_EPOCH: 'DARUMA_EPOCH' cannot be set: variables that begin with DARUMA_ are given by Daruma | null | null",
      "E_CONFIG_NAME services.ok.environment.a-b: 'a-b' cannot be the name of an environment variable | letters, digits and _, not beginning with a digit | a_b",
      `E_CONFIG_NAME services.ok.volumes.0: 'DATA' cannot be the name of a volume | ${rule} | data`,
    ].toSorted((left, right) => order(left) - order(right)),
  )
})

const keysOf = (table: AnyKeys): readonly string[] => Object.entries(table).map(([field, { key = field }]) => key)

/** Keys are read in the order in which they are written. */
const order = (line: string): number =>
  ['name:', ": '../up", 'Web_1', 'volumes', '1A', 'DARUMA_EPOCH', 'a-b'].findIndex((mark) => line.includes(mark))

test('a secret that is written instead of named never comes back in a problem', () => {
  const secret = 'correct horse battery staple'
  const problems = problemsOf({
    name: 'shop',
    services: {
      a: { command: 'x', secrets: { PASSWORD: secret } },
      b: { command: 'x', secrets: [secret] },
      c: { command: 'x', secrets: secret },
      d: { command: 'x', environment: { PASSWORD: { from: 'environment', name: secret } } },
      e: { command: 'x', environment: { PASSWORD: { value: secret } } },
    },
  })
  assert.equal(problems.length, 5)
  assert.ok(!JSON.stringify(problems).includes('horse'), JSON.stringify(problems))
})

test('a variable may not be both in environment and in secrets', () => {
  assert.deepEqual(refusals({ web: { command: 'x', environment: { A: '1' }, secrets: ['A'] } }), [
    'E_CONFIG_CONFLICT services.web.environment.A: A is also in secrets | one of the two | null',
  ])
})

test('two targets of notify that tell the same place are refused, and those that differ in a header, its secret, or a variable are not', () => {
  const services = { web: { command: 'x' } }
  const secret = (name: string): unknown => ({ from: 'environment', name })
  const [url, command] = ['https://a.example.com/', './page.sh']
  const different = [
    { webhook: url },
    { webhook: url, headers: { a: '1' } },
    { webhook: url, headers: { a: secret('A') } },
    { webhook: url, headers: { a: secret('B') } },
    { command },
    { command, environment: { A: '1' } },
  ]
  assert.equal(projectOf({ name: 'shop', services, notify: different }).notify.length, 6)
  const again = { webhook: url, headers: { a: secret('A') }, on: ['deploy'], timeout: '30s' }
  const problems = problemsOf({ name: 'shop', services, notify: [...different, again, { command, on: ['deploy'] }] })
  const rest = ', and one of the two would never send'
  assert.deepEqual(
    problems.map(({ code, path, message }) => `${code} ${path.join('.')}: ${message}`),
    [
      `E_CONFIG_CONFLICT notify.6: it has the same target as notify[2]${rest}`,
      `E_CONFIG_CONFLICT notify.7: it has the same target as notify[4]${rest}`,
    ],
  )
})

test('a config that is no object, or lacks its name and services, is refused', () => {
  const shape = 'an object with name, services, balancer, notify'
  assert.deepEqual(
    [null, 'x', [], new Date(0), () => 1].map((raw) => problemsOf(raw).map(({ message, allowed }) => `${message} | ${allowed}`)),
    [
      [`null is not accepted here | ${shape}`],
      [`'x' is a string, which is not accepted here | ${shape}`],
      [`[] is an array, which is not accepted here | ${shape}`],
      [`a Date is not accepted here | ${shape}`],
      [`a function is not accepted here | ${shape}`],
    ],
  )
  assert.deepEqual(
    problemsOf({}).map(({ message }) => message),
    ['the config has no name', 'the config has no services'],
  )
})

test('the first 50 problems are given, and the rest are counted', () => {
  const services = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`s-${index}`, { command: 7 }]))
  const problems = problemsOf({ name: 'shop', services })
  assert.equal(problems.length, 51)
  assert.deepEqual(problems.at(-1), {
    code: 'E_CONFIG_MORE',
    path: [],
    message: 'There are 150 more problems',
    allowed: null,
    suggestion: null,
  })
})

test('10,000 services in a chain are read, and one more is refused', () => {
  const many = (count: number): unknown => ({
    name: 'shop',
    services: Object.fromEntries(
      Array.from({ length: count }, (_, index) => {
        const after = index === 0 ? [] : [`s-${index - 1}`]
        return [
          `s-${index}`,
          {
            command: 'node server.js',
            replicas: 3,
            memory: '256MiB',
            health: { http: '/healthz' },
            environment: { A: 'x' },
            after,
          },
        ]
      }),
    ),
  })
  const config = many(mostServices)
  normaliseConfig(config, context)
  const before = process.cpuUsage()
  assert.equal(projectOf(config).services.length, mostServices)
  // 0.1 s of the processor's time where it was measured alone; on a busy machine the clock shows more, and the processor does not.
  assert.ok(process.cpuUsage(before).user < 5_000_000)
  assert.deepEqual(problemsOf(many(mostServices + 1)), [
    {
      code: 'E_CONFIG_TOO_MANY',
      path: ['services'],
      message: '10001 services are too many',
      allowed: 'at most 10000',
      suggestion: null,
    },
  ])
})

test('a getter that throws, a revoked proxy and a circle in the data are problems, not exceptions', () => {
  const throwing = {
    get name(): string {
      throw new Error('boom')
    },
  }
  assert.deepEqual(problemsOf(throwing), [
    {
      code: 'E_CONFIG_THREW',
      path: [],
      message: 'a value of the config could not be read: boom',
      allowed: null,
      suggestion: null,
    },
  ])
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  assert.equal(problemsOf({ name: 'shop', services: revoked.proxy })[0]?.code, 'E_CONFIG_THREW')
  const circle: Record<string, unknown> = { command: 'x' }
  circle['health'] = circle
  assert.ok(problemsOf({ name: 'shop', services: { web: circle } }).length > 0)
})

test('keys that objects inherit are neither known nor lost', () => {
  const services = JSON.parse(
    '{"constructor": {"command": "x"}, "web": {"command": "x", "toString": 1, "__proto__": {"replicas": 3}}}',
  )
  assert.deepEqual(
    problemsOf({ name: 'shop', services }).map(({ path }) => path.join('.')),
    ['services.web.toString', 'services.web.__proto__'],
  )
})

test('no value whatsoever makes the normaliser throw, and every refusal has a code, a message and no line break', () => {
  const key = fc.constantFrom(
    'name',
    'services',
    'web',
    'from',
    '__proto__',
    ...Object.entries(tables).flatMap(([name, table]) => (name === 'balancer' ? [] : keysOf(table))),
  )
  const anything = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withNullPrototype: true, maxDepth: 2 }),
      fc.constantFrom<unknown>(
        '30s',
        'web',
        true,
        3,
        'environment',
        ['web'],
        '/x',
        undefined,
        null,
        'a.example.com',
        '@daily',
        0.1,
      ),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 5 }),
    ),
  })).tree
  const config = fc.oneof(
    anything,
    fc.record({ name: fc.constant('shop'), services: fc.dictionary(fc.constantFrom('web', 'db'), fc.dictionary(key, anything)) }),
    fc.record({
      name: fc.constant('shop'),
      services: fc.constant({ web: { command: 'x' } }),
      balancer: fc.dictionary(fc.constantFrom(...keysOf(tables.balancer)), anything),
    }),
  )
  fc.assert(
    fc.property(config, (raw) => {
      const answer = normaliseConfig(raw, context)
      if (answer.ok) assert.deepEqual(JSON.parse(JSON.stringify(answer.project)), answer.project)
      else for (const { code, message } of answer.problems) assert.match(`${code} ${message}`, /^E_CONFIG_[A-Z_]+ [^\n]+$/)
    }),
    { numRuns: 1000 },
  )
})

test('a secret may be given as a file, and as nothing else', () => {
  const as = (form: unknown): unknown => ({ from: 'environment', name: 'A', as: form })
  const project = projectOf({
    name: 'shop',
    services: { web: { command: 'x', environment: { A: as('file') }, secrets: { B: as(undefined) } } },
  })
  assert.deepEqual(project.services[0]?.secrets, {
    A: { source: { from: 'environment', name: 'A', as: 'file' }, digest: null },
    B: { source: { from: 'environment', name: 'A' }, digest: null },
  })
  const found = normaliseConfig({ name: 'shop', services: { web: { command: 'x', environment: { A: as('pipe') } } } }, context)
  assert.equal(found.ok, false)
  assert.match(JSON.stringify(found), /as: 'pipe' is not a form of a secret/)
})
