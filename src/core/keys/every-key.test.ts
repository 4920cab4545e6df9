/**
 * Walks over every key there is and holds that each has all of its faces: the sdk's sentence, a row of the reference, an example that is
 * read, a place in the record, a reason in a plan, a check on the socket, an answer for records that lack it. A new key is looked at here
 * without a word; where it cannot stand alone, it says in `beside` what stands beside it.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import test from 'node:test'
import { runInNewContext } from 'node:vm'
import { renderConfigReference } from '../config/reference.ts'
import { normaliseConfig } from '../config/normalise.ts'
import { completeProject } from '../model/complete.ts'
import { asRevisionNumber } from '../model/id.ts'
import { processIdentity, type Project } from '../model/service.ts'
import { planChanges } from '../plan/plan-changes.ts'
import { ProblemList } from '../values/problem-list.ts'
import { balancer, balancerLimits } from './balancer.ts'
import { type AnyKey, describeDefault, type Group, type Key } from './key.ts'
import { projectShape } from './project.ts'
import { serviceSettings } from './service.ts'
import { containerSettings } from './service/container.ts'
import { probeNumbers } from './service/health.ts'
import { limits, logs } from './service/limits.ts'
import { restart } from './service/restart.ts'
import { proxyProtocol, routeSettings } from './service/route.ts'
import { schedule } from './service/schedule.ts'
import { build, source } from './source.ts'
import { stop } from './service/stop.ts'
import { canary, update } from './service/update.ts'
import { type TableName, tables } from './tables.ts'

interface Case {
  readonly table: TableName
  /** As it is written. */
  readonly name: string
  readonly row: AnyKey
}

const cases: readonly Case[] = Object.entries(tables).flatMap(([table, rows]) =>
  Object.entries(rows).map(([field, row]) => ({ table: table as TableName, name: row.key ?? field, row })),
)

const secret = Object.assign((name: string) => ({ from: 'environment', name }), {
  file: (path: string) => ({ from: 'file', path }),
})
const exampleOf = ({ row }: Case): unknown => JSON.parse(JSON.stringify(runInNewContext(`(${row.example})`, { secret })))

test('every key says what it is for, what is allowed, and what is true without it', () => {
  assert.ok(cases.length > 90, `only ${cases.length} keys were looked at`)
  for (const { table, name, row } of cases) {
    const texts = [row.prose, row.type.accepts, describeDefault(row), row.example]
    assert.ok(
      texts.every((text) => text.length > 0 && !text.includes('undefined')),
      `${table}.${name}: ${texts.join(' | ')}`,
    )
  }
})

test('every key has a row of the reference', () => {
  const page = renderConfigReference()
  for (const one of cases) assert.ok(page.includes(`| \`${one.name}\` | ${one.row.prose.replaceAll('|', '\\|')} |`), one.name)
})

test('the sdk explains every key in the words of its description', () => {
  const folder = new URL('../../sdk/', import.meta.url)
  const sdk = readdirSync(folder)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => readFileSync(new URL(name, folder), 'utf8').replaceAll(/\s*\n\s*(?:\*(?!\/))?\s*/g, ' '))
    .join(' ')
  const missing = cases
    // The short form's `retries` is the one key whose meaning depends on where it stands.
    .filter(({ table, name }) => table !== 'health' || name !== 'retries')
    .filter(({ name, row }) => !new RegExp(`${escape(row.prose)} [^*]*\\*/ readonly ${name}\\??:`).test(sdk))
  assert.deepEqual(
    missing.map(({ name, row }) => `${name}: ${row.prose}`),
    [],
  )
})

const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')

test('every example is accepted by the reader of its key', () => {
  for (const one of cases) {
    const problems = new ProblemList()
    assert.notEqual(one.row.type.read(exampleOf(one), null, problems), undefined, `${one.name}: ${one.row.example}`)
    assert.deepEqual(problems.toArray(), [], `${one.name}: ${one.row.example}`)
  }
})

type Written = Readonly<Record<string, unknown>>

const web = (over: Written): Written => ({ name: 'shop', services: { web: { command: 'x', ...over }, ...others } })
const ofImage = (over: Written): Written => ({ name: 'shop', services: { web: { image: 'redis', ...over }, ...others } })
const others = { migrate: { command: 'x', job: true }, cache: { command: 'x', health: { tcp: true } } }

/** Where an object of each table stands in a config. */
const around: Readonly<Record<TableName, (written: Written) => Written>> = {
  config: (written) => ({ name: 'other', services: { web: { command: 'x', route: 8080 } }, ...written }),
  service: (written) => web(written),
  health: (health) => web({ health }),
  probe: (readiness) => web({ health: { readiness } }),
  http: (http) => web({ health: { http } }),
  stop: (written) => web({ stop: written }),
  restart: (written) => web({ restart: written }),
  update: (written) => web({ replicas: 3, route: 8080, update: written }),
  canary: (written) => web({ replicas: 3, route: 8080, update: { canary: written } }),
  logs: (written) => web({ logs: written }),
  image: (image) => ofImage({ image }),
  registry: (registry) => ofImage({ registry }),
  schedule: (written) => web({ schedule: written }),
  source: (written) => web({ source: written }),
  build: (written) => web({ source: { path: './web', build: written } }),
  route: (route) => web({ route }),
  tls: (tls) => web({ route: { domain: 'a.example.com', tls } }),
  'proxy-protocol': (written) => web({ route: { port: 8080, proxyProtocol: written } }),
  balancer: (written) => ({ ...web({ route: 8080 }), balancer: written }),
  limits: (written) => ({ ...web({ route: 8080 }), balancer: { limits: written } }),
  notify: (written) => ({ ...web({}), notify: written }),
  acme: (acme) => ({ ...web({ route: 8080 }), balancer: { acme } }),
}

/** What must stand beside a key that cannot stand alone; `*` for all keys of a table. */
const beside: Readonly<Record<string, Written>> = {
  'service.pull': { image: 'redis' },
  'service.registry': { image: 'redis' },
  'service.containerPort': { image: 'redis' },
  'service.readOnly': { image: 'redis' },
  'service.capabilities': { image: 'redis' },
  'service.network': { image: 'redis' },
  'service.timezone': { schedule: '@daily' },
  'health.*': { tcp: true },
  'health.http': {},
  'health.exec': {},
  'health.startup': {},
  'health.readiness': {},
  'health.liveness': {},
  'probe.*': { tcp: true },
  'probe.http': {},
  'probe.exec': {},
  'http.*': { path: '/' },
  'update.parallel': { order: 'stop-first' },
  'update.minHealthy': { order: 'stop-first' },
  'canary.*': { share: 0.1, for: '1m' },
  'image.file': { build: './web' },
  'registry.*': { username: 'me', password: { from: 'environment', name: 'A' } },
  'schedule.*': { cron: '@daily' },
  'source.*': { path: './app' },
  'build.*': { command: 'make' },
  'route.*': { domain: 'x.example.com' },
  'route.port': {},
  'route.protocol': { port: 9090 },
  'notify.*': { webhook: 'https://a.example.com' },
  'notify.command': {},
  'notify.environment': { command: './page.sh' },
  'notify.user': { command: './page.sh' },
  'tls.*': { certificate: './a.pem', key: './a.key' },
}

function projectOf(written: Written): Project | null {
  const answer = normaliseConfig(written, {
    directory: '/srv',
    stage: null,
    root: true,
    hostMemoryBytes: 2 ** 40,
    wallTime: null,
  })
  return answer.ok ? answer.project : null
}

/** The project with the key, and the nearest one without it. */
function aroundKey({ table, name }: Case, value: unknown): readonly [Project, Project] {
  const companions = beside[`${table}.${name}`] ?? beside[`${table}.*`] ?? {}
  const { [name]: _own, ...without } = companions
  const after = projectOf(around[table]({ ...companions, [name]: value }))
  assert.ok(after !== null, `${table}.${name}: not accepted; what must stand beside it goes into "beside"`)
  // Where the key is one that must be there, the project without all of its table is the nearest.
  const before = projectOf(around[table](without)) ?? (name in companions ? null : projectOf(around[table](companions)))
  return [before ?? projectOf(around.service({}))!, after]
}

test('every key is recorded, its change has a reason in a plan, and the socket takes it', () => {
  for (const one of cases) {
    const label = `${one.table}.${one.name}`
    if (label === 'config.name' || label === 'config.services') continue
    const [before, after] = aroundKey(one, exampleOf(one))
    assert.notDeepEqual(after, before, `${label} is recorded nowhere, or its example is its default`)
    const recorded = { revision: asRevisionNumber(1), project: before, stoppedByHand: [], generations: {}, completedJobs: {} }
    const outcome = planChanges({ desired: after, recorded, observed: [], isRollback: false, only: null })
    assert.ok('plan' in outcome, label)
    const reasons = outcome.plan.steps.flatMap((step) => step.reasons)
    assert.ok(reasons.length > 0, `${label} changes, and no plan has a reason for it`)
    assert.deepEqual(projectShape(JSON.parse(JSON.stringify(after)), 'project', refuse), after, label)
    assert.equal(completeProject(after), after, label)
  }
})

const refuse = (_value: unknown, path: string, allowed: string): never => {
  throw new Error(`${path}: ${allowed}`)
}

test('the socket refuses each part of a record that is of another kind, is missing, or is not known', () => {
  let seen = 0
  for (const one of cases.filter(({ table, name }) => table !== 'config' || name === 'balancer')) {
    const [, project] = aroundKey(one, exampleOf(one))
    for (const path of pathsOf(project)) {
      assert.throws(
        () =>
          projectShape(
            changedAt(project, path, () => ({ of: 'another kind' })),
            'project',
            refuse,
          ),
        Error,
        path.join('.'),
      )
      seen += 1
    }
  }
  assert.ok(seen > 3000, `only ${seen} parts were looked at`)
  const project = projectOf(around.service({}))!
  assert.throws(() => projectShape({ ...project, more: 1 }, 'project', refuse), /project\.more/)
  const [service] = project.services
  for (const field of Object.keys(service!)) {
    const { [field as keyof typeof service]: _gone, ...rest } = service!
    assert.throws(() => projectShape({ ...project, services: [rest] }, 'project', refuse), new RegExp(field))
  }
})

/** Every group whose keys are recorded as they are written. */
const groups: readonly Group<never, never>[] = [
  stop,
  restart,
  update,
  canary,
  limits,
  logs,
  schedule,
  source,
  build,
  probeNumbers,
  containerSettings,
  routeSettings,
  proxyProtocol,
  serviceSettings,
  balancer,
  balancerLimits,
] as unknown as readonly Group<never, never>[]

test('a record that lacks a key is completed with what was true before it; one that lacks nothing is not copied', () => {
  let seen = 0
  for (const one of groups) {
    const rows = Object.entries<Key<unknown>>(one.keys)
    const whole = Object.fromEntries(rows.map(([field, row]) => [field, row.default === undefined ? 'as recorded' : row.default]))
    assert.equal(one.complete(whole as never), whole)
    for (const [field, row] of rows) {
      if (row.default === undefined && row.before === undefined) continue
      const { [field]: _gone, ...rest } = whole
      const completed = one.complete(rest as never) as Readonly<Record<string, unknown>>
      assert.deepEqual(completed[field], row.before ?? row.default, field)
      seen += 1
    }
  }
  assert.ok(seen > 30, `only ${seen} keys were looked at`)
})

test('a change of a key needs a new process exactly where its description says so', () => {
  for (const one of cases.filter(({ row }) => 'restarts' in row)) {
    const [before, after] = aroundKey(one, exampleOf(one))
    const [was, is] = [before, after].map((project) =>
      processIdentity(
        project.services.find(({ name }) => name === 'web')!,
        0,
      ),
    )
    assert.notEqual(is, was, `${one.table}.${one.name}`)
  }
  for (const table of ['stop', 'restart', 'update', 'logs', 'health'] as const) {
    for (const one of cases.filter((each) => each.table === table && !('restarts' in each.row))) {
      const [before, after] = aroundKey(one, exampleOf(one))
      const [was, is] = [before, after].map((project) =>
        processIdentity(
          project.services.find(({ name }) => name === 'web')!,
          0,
        ),
      )
      assert.equal(is, was, `${one.table}.${one.name}`)
    }
  }
})

type Path = readonly (string | number)[]

function pathsOf(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  const entries: readonly (readonly [string | number, unknown])[] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(value)
  return entries.flatMap(([key, inner]) => pathsOf(inner, [...path, key]))
}

function changedAt(value: unknown, [key, ...rest]: Path, change: (value: unknown) => unknown): unknown {
  if (key === undefined) return change(value)
  const copy = Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }
  const holder = copy as Record<string | number, unknown>
  holder[key] = changedAt(holder[key], rest, change)
  return copy
}
