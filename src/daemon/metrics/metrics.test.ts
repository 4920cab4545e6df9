import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { readOpenMetrics } from '../../../test/open-metrics.ts'
import { asEpoch, asRevisionNumber, asServiceName, slotId } from '../../core/model/id.ts'
import type { StatusAnswer } from '../../protocol/api.ts'
import { renderMetricsReference } from './metric-families.ts'
import { collectMetrics, countEvents, type MetricSources } from './metrics.ts'

const web = asServiceName('web')

const status: StatusAnswer = {
  project: 'a "shop"\\\nof ours',
  stage: null,
  revision: 4,
  daemon: { pid: 7, startedAt: '2026-11-22T03:00:00.500Z', memoryBytes: 80_000_000, condition: 'the disk is full' },
  operation: null,
  services: [
    {
      service: web,
      kind: 'replicas',
      desired: 2,
      ready: 1,
      guarantee: 'available',
      stoppedByHand: false,
      routes: [],
      gap: null,
      canary: null,
    },
  ],
  instances: [
    {
      service: web,
      slot: slotId(web, 0),
      state: 'running',
      health: 'healthy',
      epoch: asEpoch(1_048_577),
      pid: 4711,
      port: 20_000,
      restarts: 3,
      startedAt: '2026-11-22T03:00:01.000Z',
      provenAt: null,
      revision: asRevisionNumber(4),
      reason: null,
      lastExit: null,
      cpuCores: null,
      memoryBytes: null,
    },
    {
      service: web,
      slot: slotId(web, 1),
      state: 'backing-off',
      health: 'none',
      epoch: null,
      pid: null,
      port: null,
      restarts: 0,
      startedAt: null,
      provenAt: null,
      revision: asRevisionNumber(4),
      reason: 'exit code 1',
      lastExit: { kind: 'code', code: 1 },
      cpuCores: null,
      memoryBytes: null,
    },
  ],
}

const sources: MetricSources = {
  version: '0.1.0',
  project: 'a "shop"\\\nof ours',
  isOfMachine: true,
  status,
  eventCounts: new Map([['started', 12]]),
  usageOf: () => ({ cpuSeconds: 1.25, memoryBytes: 4096 }),
  traffic: new Map([
    [
      web,
      {
        requests: 100,
        failed: 2,
        retried: 1,
        responses: { '1xx': 0, '2xx': 98, '3xx': 0, '4xx': 0, '5xx': 2 },
        bytesIn: 10,
        bytesOut: 20,
        active: 3,
        queued: 0,
        latencyMs: { mean: 2, max: 8 },
      },
    ],
  ]),
  schedules: [
    {
      service: asServiceName('report'),
      runs: 12,
      running: 0,
      queued: 1,
      nextAt: '2026-11-23T03:00:00Z',
      lastSuccessAt: null,
      isLastGood: false,
    },
  ],
}

const valuesIn = (text: string, name: string): readonly (readonly [string, number])[] =>
  (readOpenMetrics(text).get(name)?.samples ?? []).map(({ labels, value }) => [
    [...labels]
      .filter(([label]) => label !== 'project')
      .map(([, label]) => label)
      .join(' '),
    value,
  ])

test('the exposition is OpenMetrics to a strict reader, names with quotes and line feeds included', () => {
  const { contentType, text } = collectMetrics([sources])
  assert.equal(contentType, 'application/openmetrics-text; version=1.0.0; charset=utf-8')
  const families = readOpenMetrics(text)
  assert.ok(families.size > 25, `${families.size} families`)
  for (const { samples } of families.values())
    for (const { labels } of samples) assert.equal(labels.get('project'), 'a "shop"\\\nof ours')
})

test('what an operator is woken by has the values of the status', () => {
  const { text } = collectMetrics([sources])
  assert.deepEqual(valuesIn(text, 'daruma_instance_up'), [
    ['web web/0', 1],
    ['web web/1', 0],
  ])
  assert.deepEqual(valuesIn(text, 'daruma_instance_healthy'), [['web web/0', 1]])
  assert.deepEqual(valuesIn(text, 'daruma_instance_cpu_seconds'), [['web web/0', 1.25]])
  assert.deepEqual(valuesIn(text, 'daruma_instance_restarts'), [
    ['web web/0', 3],
    ['web web/1', 0],
  ])
  assert.deepEqual(
    valuesIn(text, 'daruma_instance_state').filter(([, value]) => value === 1),
    [
      ['web web/0 running', 1],
      ['web web/1 backing-off', 1],
    ],
  )
  assert.deepEqual(valuesIn(text, 'daruma_daemon_ok'), [['', 0]])
  assert.deepEqual(valuesIn(text, 'daruma_daemon_start_time_seconds'), [['', Date.parse('2026-11-22T03:00:00.500Z') / 1000]])
  assert.deepEqual(valuesIn(text, 'daruma_events'), [['started', 12]])
  assert.deepEqual(valuesIn(text, 'daruma_balancer_latency_max_seconds'), [['web', 0.008]])
  assert.deepEqual(valuesIn(text, 'daruma_schedule_runs'), [['report', 12]])
  assert.deepEqual(valuesIn(text, 'daruma_schedule_last_run_succeeded'), [['report', 0]])
  assert.deepEqual(valuesIn(text, 'daruma_schedule_last_success_time_seconds'), [])
  assert.deepEqual(valuesIn(text, 'daruma_balancer_responses'), [
    ['web 1xx', 0],
    ['web 2xx', 98],
    ['web 3xx', 0],
    ['web 4xx', 0],
    ['web 5xx', 2],
  ])
})

test('a daemon to which nothing was ever applied is valid too, and tells of no instance and no balancer', () => {
  const bare = { ...status, project: null, services: [], instances: [] }
  const { text } = collectMetrics([{ ...sources, status: bare, eventCounts: new Map(), traffic: null, schedules: [] }])
  const names = [...readOpenMetrics(text).keys()]
  assert.deepEqual(names, [
    'daruma_build',
    'daruma_daemon_start_time_seconds',
    'daruma_daemon_memory_bytes',
    'daruma_daemon_ok',
    'daruma_revision',
    'daruma_operation_running',
  ])
})

test('events are counted by their kind', () => {
  let tell: (kind: string) => void = () => {}
  const counts = countEvents((follower) => {
    tell = (kind) => follower({ kind } as never)
  })
  for (const kind of ['started', 'exited', 'started']) tell(kind)
  assert.deepEqual(Object.fromEntries(counts), { started: 2, exited: 1 })
})

test('the strict reader refuses what a scraper would', () => {
  const head = '# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# HELP a_seconds x\n'
  const bad: Readonly<Record<string, string>> = {
    'no end': `${head}a_seconds 1\n`,
    'a second family of one name': `${head}a_seconds 1\n${head}a_seconds 1\n# EOF\n`,
    'a counter without _total': '# TYPE a counter\n# HELP a x\na 1\n# EOF\n',
    'a unit that is not in the name': '# TYPE a gauge\n# UNIT a seconds\n# HELP a x\na 1\n# EOF\n',
    'an unescaped quote': `${head}a_seconds{b="c"d"} 1\n# EOF\n`,
    'the same sample twice': `${head}a_seconds 1\na_seconds 1\n# EOF\n`,
    'a sample of another family': `${head}b 1\n# EOF\n`,
    'an empty line': `${head}\na_seconds 1\n# EOF\n`,
    'a negative counter': '# TYPE a counter\n# HELP a x\na_total -1\n# EOF\n',
    'help behind the samples': '# TYPE a gauge\na 1\n# HELP a x\n# EOF\n',
  }
  assert.equal(readOpenMetrics(`${head}a_seconds{b="c\\"d"} 1.5e-7\n# EOF\n`).size, 1)
  for (const [what, text] of Object.entries(bad)) assert.throws(() => readOpenMetrics(text), Error, what)
})

test('docs/reference/metrics.md is made from the table', () => {
  const file = new URL('../../../docs/reference/metrics.md', import.meta.url)
  assert.equal(readFileSync(file, 'utf8'), renderMetricsReference(), 'run node scripts/docs.ts')
})
