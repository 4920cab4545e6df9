import assert from 'node:assert/strict'
import test from 'node:test'
import { projectOf, refusalsOf, serviceOf } from '../../../../test/support/config-bed.ts'
import { schedule } from '../../keys/service/schedule.ts'
import type { WallTime } from '../config-context.ts'

/** Knows three time zones, and that nothing fires on the 30th of February; the real one is held by the tests of the loader. */
const wallTime: WallTime = {
  findFault: (cron) => (cron.includes(' 30 2 ') ? `"${cron}" never fires` : null),
  isTimezone: (name) => name === 'UTC' || zones.includes(name),
  timezones: () => zones,
}
const zones = ['Asia/Tokyo', 'Europe/Berlin', 'America/Argentina/Buenos_Aires']

const usual = schedule.fill({ cron: '0 3 * * *' })

test('an expression alone is a schedule of UTC: strict, without a port, without restarts', () => {
  const service = serviceOf({ command: 'x', schedule: '0 3 * * *' }, { wallTime })
  assert.deepEqual(service.scale, { kind: 'schedule', schedule: usual })
  assert.deepEqual([service.port, service.guarantee, service.restart.policy], [{ kind: 'none' }, 'strict', 'no'])
})

test('the time zone stands beside the expression or with it', () => {
  const tokyo = { kind: 'schedule', schedule: { ...usual, timezone: 'Asia/Tokyo' } }
  const beside = serviceOf({ command: 'x', schedule: '0 3 * * *', timezone: 'Asia/Tokyo' }, { wallTime })
  const within = serviceOf({ command: 'x', schedule: { cron: ' 0  3 * * * ', timezone: 'Asia/Tokyo' } }, { wallTime })
  const both = serviceOf({ command: 'x', schedule: { cron: '0 3 * * *' }, timezone: 'Asia/Tokyo' }, { wallTime })
  assert.deepEqual([beside.scale, within.scale, both.scale], [tokyo, tokyo, tokyo])
})

test('every key of a schedule at its fullest reaches the normal form', () => {
  const written = {
    cron: '*/10 0 3 * * MON-FRI',
    timezone: 'Europe/Berlin',
    missed: 'skip',
    overlap: 'queue',
    timeout: '1h',
    retries: 3,
    retryLost: true,
    keep: 50,
  }
  const { timeout: _timeout, ...rest } = written
  assert.deepEqual(serviceOf({ command: 'x', schedule: written }, { wallTime }).scale, {
    kind: 'schedule',
    schedule: { ...rest, timeoutMs: 3_600_000 },
  })
})

test('what wall time is not asked about is taken as it is written', () => {
  const { scale } = serviceOf({ command: 'x', schedule: '0 0 30 2 *', timezone: 'Nowhere' }, { wallTime: null })
  assert.deepEqual(scale, { kind: 'schedule', schedule: { ...usual, cron: '0 0 30 2 *', timezone: 'Nowhere' } })
})

test('a schedule may wait for others, and have volumes, limits and secrets', () => {
  const { services } = projectOf({
    services: {
      db: { command: 'postgres', singleton: true },
      report: {
        command: 'x',
        schedule: '@daily',
        after: ['db'],
        volumes: ['out'],
        memory: '64MiB',
        secrets: ['TOKEN'],
        port: 9000,
      },
    },
  })
  const report = services.find(({ name }) => name === 'report')!
  assert.deepEqual(report.after, [{ service: 'db', condition: 'started' }])
  assert.deepEqual(report.port, { kind: 'fixed', port: 9000 })
})

const cronNoun =
  "a cron expression of five fields (minute hour day month weekday) such as '0 3 * * *', of six with seconds in front, or a word such as '@daily'"
const zoneNoun = "a name of the IANA time zone database such as 'Europe/Berlin', or 'UTC'"

const bad: Readonly<Record<string, readonly [object, ...string[]]>> = {
  'an expression that never fires': [
    { schedule: '0 0 30 2 *' },
    `E_CONFIG_CRON web.schedule: "0 0 30 2 *" never fires | ${cronNoun} | null`,
  ],
  'a time zone that does not exist, with the nearest': [
    { schedule: '0 3 * * *', timezone: 'Asia/Tokio' },
    `E_CONFIG_TIMEZONE web.timezone: there is no time zone 'Asia/Tokio' | ${zoneNoun} | 'Asia/Tokyo'`,
  ],
  'a city without its continent': [
    { schedule: { cron: '0 3 * * *', timezone: 'berlin' } },
    `E_CONFIG_TIMEZONE web.schedule.timezone: there is no time zone 'berlin' | ${zoneNoun} | 'Europe/Berlin'`,
  ],
  'a short name is never taken for another one': [
    { schedule: '0 3 * * *', timezone: 'JST' },
    `E_CONFIG_TIMEZONE web.timezone: there is no time zone 'JST' | ${zoneNoun} | null`,
  ],
  'an offset, which knows no summer time': [
    { schedule: '0 3 * * *', timezone: '+09:00' },
    "E_CONFIG_VALUE web.timezone: '+09:00' is not accepted here | the name of a time zone such as 'Europe/Berlin' or 'UTC' | null",
  ],
  'four fields': [{ schedule: '* * * *' }, `E_CONFIG_VALUE web.schedule: '* * * *' is not accepted here | ${cronNoun} | null`],
  'a word without its @': [
    { schedule: 'dayly' },
    `E_CONFIG_VALUE web.schedule: 'dayly' is not accepted here | ${cronNoun} | '@daily'`,
  ],
  'a number': [
    { schedule: 5 },
    "E_CONFIG_TYPE web.schedule: 5 is a number, which is not accepted here | a cron expression such as '0 3 * * *', or { cron, timezone, … } | null",
  ],
  'an object without an expression': [
    { schedule: { overlap: 'skip' } },
    "E_CONFIG_VALUE web.schedule.overlap: 'skip' is not accepted here | 'forbid', 'queue', 'replace' | 'forbid'",
  ],
  'no expression': [
    { schedule: { retries: 1 } },
    `E_CONFIG_REQUIRED web.schedule: the schedule has no cron expression | ${cronNoun} | null`,
  ],
  'two time zones': [
    { schedule: { cron: '0 3 * * *', timezone: 'UTC' }, timezone: 'UTC' },
    'E_CONFIG_CONFLICT web.timezone: the time zone is said twice | timezone beside schedule, or in it | null',
  ],
  'a time zone of nothing': [
    { timezone: 'UTC' },
    "E_CONFIG_CONFLICT web.timezone: timezone is of a schedule, and there is none | schedule: '0 3 * * *' beside it | null",
  ],
  'a schedule with replicas': [
    { schedule: '@daily', replicas: 2 },
    'E_CONFIG_CONFLICT web.schedule: replicas and schedule stand side by side | at most one of replicas, singleton, job, schedule | null',
  ],
  'what a schedule has not': [
    { schedule: '@daily', health: { tcp: true }, restart: 'always', update: { order: 'stop-first' }, route: 80 },
    'E_CONFIG_CONFLICT web.route: a schedule serves no requests: it runs and ends | no route, or replicas or singleton | null',
    'E_CONFIG_CONFLICT web.health: a schedule has no health: a run is done when it ends with exit code 0 | null | null',
    'E_CONFIG_CONFLICT web.restart: a run of a schedule is not started again: it is attempted again, as often as schedule.retries says | no restart | schedule.retries',
    'E_CONFIG_CONFLICT web.update: a schedule has nothing that is replaced: a change is for its next run | no update; schedule.timeout bounds a run | null',
  ],
  'the finer points beside the expression': [
    { schedule: '@daily', missed: 'skip', overlap: 'queue' },
    'E_CONFIG_UNKNOWN_KEY web.missed: missed is not a known key | null | schedule.missed',
    'E_CONFIG_UNKNOWN_KEY web.overlap: overlap is not a known key | null | schedule.overlap',
  ],
}

for (const [name, [web, ...lines]] of Object.entries(bad)) {
  test(`refused: ${name}`, () =>
    assert.deepEqual(refusalsOf({ services: { web: { command: 'x', ...web } } }, { wallTime }), lines))
}

test('nothing waits for a schedule', () => {
  const report = { command: 'x', schedule: '@daily' }
  for (const after of [['report'], { report: 'completed' }]) {
    const [line, ...more] = refusalsOf({ services: { report, web: { command: 'x', after } } })
    assert.deepEqual(more, [])
    assert.match(
      line!,
      /^E_CONFIG_CONDITION web\.after\.\w+: report is a schedule: it runs at its hours, and nothing can wait for it/,
    )
  }
})
