/** Each file in `testdata` is a case: what was recorded, what is seen, what is wanted, and the plan as text. */

import { balancerName } from '../balance/balancer-service.ts'
import { defaultBalancer as balancer } from '../keys/balancer.ts'
import { schedule } from '../keys/service/schedule.ts'
import { updatePace } from '../keys/service/update.ts'
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { runInThisContext } from 'node:vm'
import fc from 'fast-check'
import { normaliseConfig } from '../config/normalise.ts'
import { asRevisionNumber, asServiceName } from '../model/id.ts'
import type { SlotId } from '../model/id.ts'
import { processIdentity } from '../model/service.ts'
import type { Project, SecretReference, Service } from '../model/service.ts'
import type { InstanceStatus, SlotState } from '../model/status.ts'
import { makeManifest, type ManifestEntry } from '../release/manifest.ts'
import type { Plan, Reason, StepKind } from './plan.ts'
import { planChanges } from './plan-changes.ts'
import type { PlanInput } from './plan-changes.ts'
import { summarise } from './summarise.ts'

const directory = join(import.meta.dirname, 'testdata')
const stories = readdirSync(directory).filter((file) => file.endsWith('.txt'))

describe('the plan of', () => {
  assert.ok(stories.length >= 10, `only ${stories.length} stories were found`)
  for (const file of stories) {
    it(file.replace('.txt', '').replaceAll('-', ' '), () => {
      const sections = readSections(readFileSync(join(directory, file), 'utf8'))
      assert.equal(planText(inputOf(sections)), sections.get('plan'))
    })
  }
})

describe('a plan', () => {
  it('of what is recorded has no steps, whatever the project', () => {
    fc.assert(
      fc.property(anyProject, (project) => {
        const { steps, unchanged } = planOf(input({ desired: project, recorded: project }))
        assert.deepEqual({ steps, unchanged }, { steps: [], unchanged: project.services.length })
      }),
    )
  })

  it('has each service in exactly one step or counts it as unchanged', () => {
    fc.assert(
      fc.property(anyProject, anyProject, fc.boolean(), (recorded, desired, isRollback) => {
        const { steps, unchanged } = withoutBalancer(planOf(input({ desired, recorded, isRollback })))
        const names = steps.map((step) => step.service)
        assert.equal(new Set(names).size, names.length)
        const removed = recorded.services.filter(({ name }) => !desired.services.some((service) => service.name === name))
        assert.deepEqual(
          new Set(steps.filter((step) => step.kind === 'remove').map((step) => step.service)),
          new Set(removed.map(({ name }) => name)),
        )
        assert.equal(names.length - removed.length + unchanged, desired.services.length)
        assert.ok(
          steps.every((step) => step.reasons.length > 0),
          'a step without a reason',
        )
      }),
    )
  })

  it('starts nothing before what it comes after, and removes nothing before what comes after it', () => {
    fc.assert(
      fc.property(anyProject, anyProject, (recorded, desired) => {
        const { steps } = withoutBalancer(planOf(input({ desired, recorded })))
        const place = new Map(steps.map((step, index) => [step.service, index]))
        for (const { kind, service: name } of steps) {
          const service = (kind === 'remove' ? recorded : desired).services.find((candidate) => candidate.name === name)!
          for (const dependency of service.after) {
            const other = place.get(dependency.service)
            if (other === undefined) continue
            const isRemoved = steps[other]!.kind === 'remove'
            if (kind === 'remove') assert.ok(!isRemoved || other > place.get(name)!, `${dependency.service} goes before ${name}`)
            else assert.ok(other < place.get(name)!, `${name} comes before ${dependency.service}`)
          }
        }
        const kinds = steps.map((step) => step.kind === 'remove')
        assert.deepEqual(
          kinds,
          kinds.toSorted((a, b) => Number(b) - Number(a)),
          'removals come first',
        )
      }),
    )
  })

  it('never shows a secret, neither value nor digest', () => {
    fc.assert(
      fc.property(anyProject, anyProject, (recorded, desired) => {
        assert.doesNotMatch(JSON.stringify(planOf(input({ desired, recorded }))), /digest-/)
      }),
    )
  })

  it('has a reason for every difference, wherever in a service it is', () => {
    const full = oneService()
    let seen = 0
    for (const path of leavesOf(full)) {
      if (path[0] === 'name' || path.join('.') === 'scale.kind') continue
      const plan = planOf(input({ recorded: projectOf([full]), desired: projectOf([changed(full, path)]) }))
      assert.ok((plan.steps[0]?.reasons.length ?? 0) > 0, `${path.join('.')}: ${JSON.stringify(plan.steps)}`)
      seen += 1
    }
    assert.ok(seen >= 40, `only ${seen} fields were looked at`)
  })

  it('replaces exactly when the process identity differs', () => {
    fc.assert(
      fc.property(anyProject, anyProject, (recorded, desired) => {
        for (const { kind, service: name } of planOf(input({ recorded, desired })).steps) {
          const [before, after] = [recorded, desired].map((project) => project.services.find((service) => service.name === name))
          if (before === undefined || after === undefined || after.scale.kind === 'job') continue
          const isOther = processIdentity(before, 0) !== processIdentity(after, 0)
          const [was, is] = [before, after].map(({ scale }) => scale.kind === 'schedule')
          // Runs of a schedule are never replaced; a schedule that becomes something else, or the other way round, restarts.
          assert.equal(kind === 'replace', was || is ? was !== is : isOther)
        }
      }),
    )
  })

  it('of 10,000 services is not quadratic, also when all have changed', () => {
    for (const isChanged of [false, true]) {
      const [small, large] = [1000, 10_000].map((count) => quickestPlan(count, isChanged)) as [number, number]
      // Ten times as many take some ten times as long on any machine, however busy; quadratic would be a hundred times.
      assert.ok(large < 40 * small, `${Math.round(small)} and ${Math.round(large)} ms`)
    }
  })
})

describe('a change of code', () => {
  const file = (path: string, letter: string): ManifestEntry => ({
    kind: 'file',
    path,
    isExecutable: false,
    size: 1,
    sha256: letter.repeat(64),
  })
  const manifests = new Map([
    ['one', makeManifest([file('server.js', 'a'), file('lib/a.js', 'a'), file('old.js', 'a'), file('same.js', 'a')])],
    ['two', makeManifest([file('server.js', 'b'), file('lib/a.js', 'b'), file('new.js', 'a'), file('same.js', 'a')])],
  ])
  const withRelease = (digest: string, path: string = 'web'): Project =>
    projectOf([
      {
        ...oneService(),
        runs: { kind: 'process', command: ['x'], source: { path, ignore: [], build: null, digest }, directory: '', user: null },
      },
    ])

  it('names its files where both releases are known', () => {
    const given = { ...input({ recorded: withRelease('one'), desired: withRelease('two') }), manifests }
    const [step] = planOf(given).steps
    assert.equal(step?.kind, 'replace')
    assert.deepEqual(step?.reasons.map(reasonText), ['source: 4 files changed: lib/a.js, new.js (new), +2'])
    assert.deepEqual(planOf({ ...given, manifests: new Map() }).steps[0]?.reasons.map(reasonText), ['source: files changed'])
  })

  it('is none where the same files were read from elsewhere', () => {
    const { steps } = planOf(input({ recorded: withRelease('one'), desired: withRelease('one', '../copy') }))
    assert.deepEqual(
      steps.map(({ kind, transition, reasons }) => ({ kind, transition, reasons: reasons.map(reasonText) })),
      [{ kind: 'update', transition: 'no restart', reasons: ['source: "web" → "../copy"'] }],
    )
  })

  it('has a reason wherever in a source the difference is', () => {
    const limits = { cpuCores: 1, memoryBytes: 2 ** 28, pids: 100 }
    const build = { command: ['npm', 'ci'], timeoutMs: 600_000, ...limits }
    const source = { path: 'web', ignore: ['*.log'], build, digest: 'content-1' }
    const service: Service = { ...oneService(), runs: { kind: 'process', command: ['x'], source, directory: 'in', user: null } }
    for (const path of leavesOf(service).filter(([part]) => part === 'runs')) {
      if (path[1] === 'kind') continue
      const [step] = planOf(input({ recorded: projectOf([service]), desired: projectOf([changed(service, path)]) })).steps
      assert.ok(
        step?.reasons.every(({ note: text }) => text !== 'in another order'),
        path.join('.'),
      )
    }
  })
})

describe('a change of the balancer', () => {
  const project = projectOf([oneService()])
  const changed: Project = {
    ...project,
    balancer: { ...balancer, httpPort: 8080, limits: { ...balancer.limits, bodyBytes: 1024 } },
  }

  it('is a step of its own, with what changes', () => {
    assert.deepEqual(planOf(input({ desired: changed, recorded: project })).steps, [
      {
        kind: 'update',
        service: '@balancer',
        what: 'balancer',
        reasons: [
          { field: 'balancer.httpPort', from: '80', to: '8080', note: null },
          { field: 'balancer.limits.bodySize', from: null, to: '1KiB', note: null },
        ],
        transition: 'open connections stay',
        warning: null,
      },
    ])
  })

  it('is none where nothing is routed, and the other services stay unchanged', () => {
    const silent = (one: Project): Project => ({ ...one, services: [{ ...oneService(), routes: [] }] })
    assert.deepEqual(planOf(input({ desired: silent(changed), recorded: silent(project) })).steps, [])
    assert.equal(planOf(input({ desired: changed, recorded: project })).unchanged, 1)
  })
})

describe('the fingerprint', () => {
  const project = projectOf([oneService()])
  const fingerprint = (changes: Partial<PlanInput['recorded']>, observed: readonly InstanceStatus[]): string =>
    planOf({ ...input({ desired: project, recorded: project, observed }), recorded: { ...recordedOf(project), ...changes } })
      .fingerprint
  const running = [statusOf('web/0', 'running'), statusOf('web/1', 'running')]
  const usual = fingerprint({}, running)

  it('is another one after a revision, a restart, a stop by hand, and a slot that runs something else', () => {
    const others = [
      fingerprint({ revision: asRevisionNumber(8) }, running),
      fingerprint({ generations: { web: 1 } }, running),
      fingerprint({ stoppedByHand: [asServiceName('web')] }, running),
      fingerprint({}, [running[0]!, { ...running[1]!, revision: asRevisionNumber(6) }]),
      fingerprint({}, running.slice(1)),
    ]
    assert.equal(new Set([usual, ...others]).size, 6)
  })

  it('is the same after a crash, and in whatever order slots are listed', () => {
    assert.equal(fingerprint({}, running.toReversed()), usual)
    const crashed = running.map((status) => ({
      ...status,
      pid: 9,
      restarts: 4,
      state: 'backing-off' as const,
      startedAt: '2026-11-22T03:00:00.000Z',
    }))
    assert.equal(fingerprint({}, crashed), usual)
  })

  it('is the same whatever run of a schedule is under way, and whatever the balancer does', () => {
    const others = [statusOf('report/2026-11-22T03:00:00Z', 'running'), statusOf('@balancer/0', 'backing-off')]
    assert.equal(fingerprint({}, [...running, ...others]), usual)
  })
})

// --- stories as text

type Sections = ReadonlyMap<string, string>

function readSections(text: string): Sections {
  const [, ...parts] = text.split(/^--- /m)
  return new Map(parts.map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1).trimEnd()]))
}

const linesOf = (sections: Sections, name: string): readonly string[] =>
  sections
    .get(name)
    ?.split('\n')
    .filter((line) => line !== '') ?? []

function inputOf(sections: Sections): PlanInput {
  const recorded = sections.has('recorded') ? readProject(linesOf(sections, 'recorded')) : null
  const completed = linesOf(sections, 'completed jobs').map((name) => {
    const source =
      recorded?.services.find((service) => service.name === name) ??
      readProject(linesOf(sections, 'desired')).services.find((service) => service.name === name)
    return [name, processIdentity(source!, 0)]
  })
  return {
    desired: sections.has('down') ? null : readProject(linesOf(sections, 'desired')),
    recorded: recorded && {
      ...recordedOf(recorded),
      stoppedByHand: linesOf(sections, 'stopped by hand').map(asServiceName),
      completedJobs: Object.fromEntries(completed),
    },
    observed: linesOf(sections, 'observed').map((line) => {
      const [, slot, state, reason] = /^(\S+) (\S+)(?:: (.*))?$/.exec(line)!
      return { ...statusOf(slot!, state as SlotState), reason: reason ?? null }
    }),
    isRollback: sections.has('rollback'),
    only: sections.has('only') ? linesOf(sections, 'only') : null,
  }
}

/** Lines `web: { command: 'x' }`, and `web.PASSWORD has digest digest-1`. */
function readProject(lines: readonly string[]): Project {
  const digests = new Map(
    lines.flatMap((line) => [...line.matchAll(/^(\S+) has digest (\S+)$/g)].map((match) => [match[1], match[2]] as const)),
  )
  const text = lines.filter((line) => !line.includes(' has digest ')).join(',\n')
  const services: unknown = runInThisContext(`({${text}})`)
  const result = normaliseConfig(
    { name: 'shop', services },
    { directory: '/srv', stage: null, root: true, hostMemoryBytes: 2 ** 34, wallTime: null },
  )
  assert.ok(result.ok, JSON.stringify(result))
  const sealed = result.project.services.map((service) => ({
    ...service,
    secrets: Object.fromEntries(
      Object.entries(service.secrets).map(([name, reference]): [string, SecretReference] => [
        name,
        { ...reference, digest: digests.get(`${service.name}.${name}`) ?? null },
      ]),
    ),
  }))
  return { ...result.project, services: sealed }
}

function planText(planInput: PlanInput): string {
  const outcome = planChanges(planInput)
  if ('problems' in outcome)
    return outcome.problems
      .map((problem) => `${problem.code} ${problem.path.join('.')}: ${problem.message}; ${problem.allowed}`)
      .join('\n')
  const lines = outcome.plan.steps.flatMap((step) => [
    [markers[step.kind], step.service, `(${step.what})`, step.transition ?? ''].join(' ').trimEnd(),
    ...step.reasons.map((reason) => `      ${reasonText(reason)}`),
    ...(step.warning === null ? [] : [`    ! ${step.warning}`]),
  ])
  return [...lines, summarise(outcome.plan)].join('\n')
}

const markers: Readonly<Record<StepKind, string>> = {
  create: '+',
  update: '~',
  remove: '-',
  replace: '-/+',
  restart: 'restart',
  'run-job': 'run',
}

function reasonText({ field, from, to, note }: Reason): string {
  return [field, note ?? `${from ?? 'unset'} → ${to ?? 'unset'}`].filter((part) => part !== '').join(': ')
}

// --- projects

function planOf(planInput: PlanInput): Plan {
  const outcome = planChanges(planInput)
  assert.ok('plan' in outcome, JSON.stringify(outcome))
  return outcome.plan
}

function input(given: {
  readonly desired: Project
  readonly recorded: Project
  readonly observed?: readonly InstanceStatus[]
  readonly isRollback?: boolean
}): PlanInput {
  return {
    desired: given.desired,
    recorded: recordedOf(given.recorded),
    observed: given.observed ?? [],
    isRollback: given.isRollback ?? false,
    only: null,
  }
}

function recordedOf(project: Project): NonNullable<PlanInput['recorded']> {
  return { revision: asRevisionNumber(7), project, stoppedByHand: [], generations: {}, completedJobs: {} }
}

function projectOf(services: readonly Service[]): Project {
  return { name: 'shop', stage: null, balancer, notify: [], services }
}

function statusOf(slot: string, state: SlotState): InstanceStatus {
  const [service = ''] = slot.split('/')
  return {
    service: asServiceName(service),
    slot: slot as SlotId,
    state,
    health: 'none',
    epoch: null,
    pid: null,
    port: null,
    restarts: 0,
    startedAt: null,
    provenAt: null,
    revision: asRevisionNumber(7),
    reason: null,
    lastExit: null,
    cpuCores: null,
    memoryBytes: null,
  }
}

/** Every field set, so that every field can change. */
function oneService(): Service {
  const probe = {
    check: { kind: 'http' as const, path: '/healthz', port: 80, host: 'localhost' },
    intervalMs: 1000,
    timeoutMs: 1000,
    retries: 3,
  }
  return {
    name: asServiceName('web'),
    scale: { kind: 'replicas', count: 3 },
    runs: {
      kind: 'container',
      image: { from: 'build', context: '/srv/web', file: 'Dockerfile', digest: 'content-1' },
      pull: 'missing',
      registry: { username: 'me', password: { source: { from: 'environment', name: 'TOKEN' }, digest: null } },
      containerPort: 80,
      readOnly: false,
      capabilities: ['CHOWN'],
      network: 'bridge',
      command: ['node', 'server.js'],
      directory: '/srv/web',
      user: 'www-data',
    },
    environment: { LOG_LEVEL: 'info' },
    secrets: { PASSWORD: { source: { from: 'environment', name: 'PASSWORD' }, digest: 'digest-1' } },
    port: { kind: 'fixed', port: 8080 },
    routes: [
      {
        to: { kind: 'port', port: 8080, protocol: 'http' },
        path: '/api',
        tls: { kind: 'files', certificate: '/srv/cert.pem', key: '/srv/key.pem', digest: 'content-1' },
        proxyProtocol: { accept: false, send: false },
        idempotent: false,
      },
    ],
    volumes: [{ name: 'data', target: '/data' }],
    health: {
      startup: probe,
      readiness: { ...probe, check: { kind: 'tcp', port: 80 } },
      liveness: { ...probe, check: { kind: 'exec', command: ['true'] } },
      startPeriodMs: 60_000,
    },
    limits: { cpuCores: 1, memoryBytes: 2 ** 28, pids: 100 },
    after: [{ service: asServiceName('db'), condition: 'healthy' }],
    stop: { signal: 'SIGTERM', gracePeriodMs: 10_000, to: 'leader' },
    restart: { policy: 'always', delayMs: 100, maxDelayMs: 30_000, resetAfterMs: 10_000, budget: 5 },
    update: {
      order: 'start-first',
      deadlineMs: 60_000,
      minReadyMs: 500,
      ...updatePace,
      minHealthy: 2,
      canary: { share: 0.1, forMs: 60_000, errorRate: 0.01 },
    },
    guarantee: 'available',
    protect: false,
    envFile: [],
    ulimits: {},
    logs: { maxBytes: 10_000_000 },
  }
}

/** The cheapest of some plans of that many services, in ms of the processor's time. */
function quickestPlan(count: number, isChanged: boolean): number {
  const services = Array.from({ length: count }, (_, n): Service => ({ ...oneService(), name: asServiceName(`s${n}`) }))
  const recorded = projectOf(services)
  const observed = services.map((service) => statusOf(`${service.name}/0`, 'running'))
  const desired = isChanged
    ? projectOf(services.map((service) => ({ ...service, environment: { NEW: '1' } })))
    : structuredClone(recorded)
  const times = [1, 2, 3, 4].map(() => {
    const before = process.cpuUsage()
    planOf(input({ desired, recorded, observed }))
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  })
  return Math.min(...times)
}

type Path = readonly (string | number)[]

function leavesOf(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  return entries.flatMap(([key, inner]) => (key === 'kind' || key === 'from' ? [] : leavesOf(inner, [...path, key])))
}

function changed(service: Service, path: Path): Service {
  const copy = structuredClone(service)
  const holder = path
    .slice(0, -1)
    .reduce<Record<string | number, unknown>>((inner, key) => inner[key] as typeof inner, copy as never)
  const last = path.at(-1)!
  const value = holder[last]
  holder[last] =
    typeof value === 'number'
      ? value + 1
      : typeof value === 'boolean'
        ? !value
        : value === 'SIGTERM'
          ? 'SIGINT'
          : `${String(value)}x`
  return copy
}

const names = ['api', 'cache', 'db', 'web'] as const
const anyService = (index: number): fc.Arbitrary<Service> =>
  fc
    .record({
      scale: fc.oneof(
        fc.record({ kind: fc.constant('replicas' as const), count: fc.integer({ min: 0, max: 3 }) }),
        fc.constant({ kind: 'singleton' as const }),
        fc.constant({ kind: 'job' as const }),
        fc.constantFrom('0 3 * * *', '@daily').map((cron) => ({ kind: 'schedule' as const, schedule: schedule.fill({ cron }) })),
      ),
      environment: fc.dictionary(fc.constantFrom('A', 'B', '__proto__x'), fc.constantFrom('1', '2'), { maxKeys: 2 }),
      digest: fc.constantFrom('digest-1', 'digest-2', null),
      intervalMs: fc.constantFrom(1000, 2000),
      after: fc.subarray(names.slice(0, index)),
      volume: fc.constantFrom(null, 'data', 'logs'),
    })
    .map(({ scale, environment, digest, intervalMs, after, volume }): Service => {
      const base = oneService()
      return {
        ...base,
        name: asServiceName(names[index]!),
        scale,
        environment,
        secrets: { PASSWORD: { source: { from: 'environment', name: 'PASSWORD' }, digest } },
        health: { ...base.health, readiness: { ...base.health.readiness!, intervalMs } },
        after: after.map((name) => ({ service: asServiceName(name), condition: 'started' })),
        volumes: volume === null ? [] : [{ name: volume, target: null }],
      }
    })

/** The balancer has steps of its own, where routes come and go. */
const withoutBalancer = (plan: Plan): Plan => ({ ...plan, steps: plan.steps.filter(({ service }) => service !== balancerName) })

const anyProject: fc.Arbitrary<Project> = fc
  .tuple(...names.map((_, index) => fc.option(anyService(index), { nil: null })))
  .map((services) => projectOf(services.filter((service) => service !== null)))
