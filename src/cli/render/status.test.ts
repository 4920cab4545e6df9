import assert from 'node:assert/strict'
import { test } from 'node:test'

import { asEpoch, asRevisionNumber, asServiceName, slotId } from '../../core/model/id.ts'
import type { InstanceStatus, ServiceStatus } from '../../core/model/status.ts'
import type { JobView, StatusAnswer } from '../../protocol/api.ts'
import { colour, noColour } from '../screen/colour.ts'
import { renderStatus } from './status.ts'
import { displayWidth } from './width.ts'

const nowMs = Date.parse('2026-11-22T12:00:00.000Z')
const web = asServiceName('web')
const worker = asServiceName('worker')
const report = asServiceName('report')

const instance = (fields: Partial<InstanceStatus>): InstanceStatus => ({
  service: web,
  slot: slotId(web, 0),
  state: 'running',
  health: 'healthy',
  epoch: asEpoch(1_048_577),
  pid: 100,
  port: 20_001,
  restarts: 0,
  startedAt: '2026-11-22T11:58:00.000Z',
  provenAt: '2026-11-22T11:59:59.600Z',
  revision: asRevisionNumber(4),
  reason: null,
  lastExit: null,
  cpuCores: 0.012,
  memoryBytes: 34.1 * 1024 * 1024,
  ...fields,
})

const service = (fields: Partial<ServiceStatus>): ServiceStatus => ({
  service: web,
  kind: 'replicas',
  desired: 2,
  ready: 2,
  guarantee: 'strict',
  stoppedByHand: false,
  routes: [],
  gap: null,
  canary: null,
  ...fields,
})

test('an instance that no service names is shown all the same', () => {
  const stray = instance({ service: worker, slot: slotId(worker, 0), pid: 4711 })
  for (const services of [[], [service({})]]) {
    const lines = renderStatus({ ...status, services, instances: [stray] }, { palette: noColour, columns: 200, nowMs })
    assert.ok(
      lines.some((line) => /^worker +worker\/0 .*\b4711\b/.test(line)),
      lines.join('\n'),
    )
  }
})

const status: StatusAnswer = {
  project: 'shop',
  stage: 'prod',
  revision: 4,
  daemon: {
    pid: 99,
    startedAt: '2026-11-22T09:00:00.000Z',
    memoryBytes: 61 * 1024 * 1024,
    condition: 'disk full: 0 B free; nothing is written until there is space',
  },
  operation: {
    id: 'x',
    kind: 'apply',
    revision: 5,
    by: { pid: 7, user: 'ada', command: 'up', file: '/srv/daruma.config.ts' },
    startedAt: '2026-11-22T11:59:48.000Z',
    state: 'running',
  },
  services: [
    service({ ready: 1 }),
    service({ service: worker, kind: 'singleton', desired: 1, ready: 0 }),
    service({ service: report, desired: 0, ready: 0, stoppedByHand: true }),
  ],
  instances: [
    instance({}),
    instance({
      slot: slotId(web, 1),
      health: 'unhealthy',
      restarts: 3,
      reason: 'GET http://127.0.0.1:20002/ → 503',
      port: 20_002,
    }),
    instance({
      service: worker,
      slot: slotId(worker, 0),
      state: 'crash-looping',
      health: 'none',
      pid: null,
      port: null,
      restarts: 12,
      provenAt: null,
      cpuCores: null,
      memoryBytes: null,
      reason: 'exit code 1, again in 4 s',
    }),
  ],
}

test('the table names every slot, its reason, and the age of its proof', () => {
  assert.equal(
    renderStatus(status, { palette: noColour, columns: Infinity, nowMs }).join('\n'),
    `shop_prod · revision 4 · 1 of 3 ready · in trouble: web, worker · daemon 99, up 3h, 61.0 MiB
  applying revision 5, for 12 s (up by ada, pid 7)
  ! disk full: 0 B free; nothing is written until there is space

SERVICE  SLOT      STATE          HEALTH       EPOCH  PID  UPTIME  RESTARTS   CPU    MEMORY   PORT     PROVEN
web      web/0     running        healthy    1048577  100      2m         0  0.01  34.1 MiB  20001  0.4 s ago
         web/1     running        unhealthy  1048577  100      2m         3  0.01  34.1 MiB  20002  0.4 s ago
    └ GET http://127.0.0.1:20002/ → 503
worker   worker/0  crash-looping  -          1048577    -       -        12     -         -      -          -
    └ exit code 1, again in 4 s
report   report/-  stopped
    └ stopped by hand: daruma start report`,
  )
})

test('no line is wider than the terminal, with colour or without, and the state is never dropped', () => {
  for (const palette of [noColour, colour]) {
    for (const columns of [40, 60, 80, 100, 120]) {
      const lines = renderStatus(
        { ...status, operation: null, daemon: { ...status.daemon, condition: null } },
        { palette, columns, nowMs },
      ).slice(2)
      for (const line of lines) assert.ok(displayWidth(line) <= columns, `${displayWidth(line)} > ${columns}: ${line}`)
      assert.match(lines.join('\n'), /crash-looping/)
    }
  }
})

test('what one service has too many of does not hide what another lacks', () => {
  const services = [service({ ready: 3 }), service({ service: worker, desired: 1, ready: 0 })]
  const [head] = renderStatus({ ...status, services }, { palette: noColour, columns: Infinity, nowMs })
  assert.match(head!, /2 of 3 ready/)
})

test('a service in good health has no line under it', () => {
  const lines = renderStatus(
    { ...status, services: [service({})], instances: [instance({})] },
    { palette: noColour, columns: Infinity, nowMs },
  )
  assert.equal(lines.length, 6)
})

test('a schedule without a run is between runs, and not amiss', () => {
  const services = [service({ service: report, kind: 'schedule', desired: 0, ready: 0 })]
  const lines = renderStatus({ ...status, services, instances: [] }, { palette: noColour, columns: Infinity, nowMs })
  assert.match(lines.at(-1)!, /^report +report\/- +between runs$/)
  // SERVICE has left here, and the row still says whose it is.
  const long = instance({ slot: slotId(asServiceName('a-service-with-a-rather-long-name'), 0) })
  const narrow = renderStatus(
    { ...status, services: [service({}), ...services], instances: [{ ...long, service: web }] },
    {
      palette: noColour,
      columns: 60,
      nowMs,
    },
  )
  assert.match(narrow.at(-1)!, /^report\/- +between runs$/)
})

test('a service tells where it is reached, what is only tried out, and how long a change took it away', () => {
  const canary = { share: 0.05, forMs: 120_000, heldMs: 33_400, ready: 1, requests: 1203, failed: 2 }
  const services = [
    service({ routes: [{ url: 'https://shop.example/api' }], canary }),
    service({ service: worker, kind: 'singleton', desired: 1, ready: 1, gap: { lastMs: 412, worstMs: 900 } }),
  ]
  const instances = [instance({}), instance({ service: worker, slot: slotId(worker, 0) })]
  const lines = renderStatus({ ...status, services, instances }, { palette: noColour, columns: 120, nowMs })
  assert.deepEqual(
    lines.map((line) => line.trim()).filter((line) => /^[→└]/.test(line)),
    [
      '→ https://shop.example/api',
      '└ canary: 1 ready, 5 % of requests, 33 of 120 s, 1,203 requests, 2 failed',
      '└ gap 412 ms at the last change, 900 ms at worst',
    ],
  )
})

test('a schedule has its last and its next run in columns, and a failed one is in trouble, in the header too', () => {
  const services = [service({}), service({ service: report, kind: 'schedule', desired: 0, ready: 0 })]
  const run = {
    service: 'report',
    slot: 'report/2026-11-22T11:59:00Z',
    tick: '2026-11-22T11:59:00Z',
    by: 'schedule',
    isLate: false,
    state: 'failed',
    attempt: 1,
    startedAt: '2026-11-22T11:59:00.000Z',
    endedAt: '2026-11-22T11:59:02.000Z',
    durationMs: 2000,
    exit: { kind: 'code', code: 3 },
    message: null,
    revision: 4,
  } as const
  const job: JobView = {
    service: 'report',
    kind: 'schedule',
    isStopped: false,
    schedule: null,
    nextAt: '2026-11-22T12:01:00.000Z',
    fault: null,
    queued: 0,
    running: null,
    last: run,
  }
  const answer = {
    ...status,
    operation: null,
    daemon: { ...status.daemon, condition: null },
    services,
    instances: [instance({})],
  }
  const lines = renderStatus(answer, { palette: noColour, columns: 80, nowMs, jobs: [job] })
  assert.match(lines[0]!, /2 of 2 ready · in trouble: report · /)
  assert.deepEqual(lines.slice(2), [
    'SERVICE  SLOT      STATE         HEALTH   UPTIME  LAST             NEXT',
    'web      web/0     running       healthy      2m',
    'report   report/-  between runs                   failed 58 s ago  in 1m',
    '    └ the last run failed: exit code 3 (daruma job logs report)',
  ])
  for (const line of lines) assert.ok(displayWidth(line) <= 80, line)
  const well = renderStatus(answer, {
    palette: noColour,
    columns: 80,
    nowMs,
    jobs: [{ ...job, last: { ...run, state: 'succeeded' } }],
  })
  assert.doesNotMatch(well.join('\n'), /trouble|└/)
})
