import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { JobView, RunView } from '../../protocol/api.ts'
import { noColour } from '../screen/colour.ts'
import { describeEnd, renderJobs } from './job.ts'

const nowMs = Date.parse('2026-11-23T08:37:15.000Z')
const run: RunView = {
  service: 'nightly',
  slot: 'nightly/2026-11-22T02:00:00Z',
  tick: '2026-11-22T02:00:00Z',
  by: 'schedule',
  isLate: false,
  state: 'failed',
  attempt: 2,
  startedAt: '2026-11-22T02:00:00.100Z',
  endedAt: '2026-11-23T08:37:02.000Z',
  durationMs: 11,
  exit: { kind: 'code', code: 4 },
  message: 'exit code 4',
  revision: 1,
}
const nightly: JobView = {
  service: 'nightly',
  kind: 'schedule',
  isStopped: false,
  schedule: {
    cron: '0 3 * * *',
    timezone: 'Europe/Berlin',
    missed: 'run-once',
    overlap: 'forbid',
    timeoutMs: null,
    retries: 1,
    retryLost: false,
    keep: 20,
  },
  nextAt: '2026-11-24T02:00:00Z',
  fault: null,
  queued: 0,
  running: null,
  last: run,
}
const migrate: JobView = { ...nightly, service: 'migrate', kind: 'job', schedule: null, nextAt: null, last: null }
const stopped: JobView = { ...nightly, isStopped: true, last: null }
const view = { palette: noColour, nowMs }

test('a schedule is shown with its next tick in its own zone, when that is, and how the last run ended', () => {
  assert.equal(
    renderJobs([nightly, migrate, stopped], { ...view, columns: Infinity }).join('\n'),
    `JOB      SCHEDULE         NEXT                                DUE         RUNNING  LAST RUN
nightly  0 3 * * *        Tue 2026-11-24 03:00 Europe/Berlin  in 17h 22m  -        failed 13 s ago
    └ exit code 4
migrate  once a revision  -                                   -           -        -
nightly  0 3 * * *        stopped: daruma start nightly       -           -        -`,
  )
})

test('80 columns are enough for the next tick and the end of the last run', () => {
  const [title, row] = renderJobs([nightly], { ...view, columns: 80 })
  assert.equal(title, 'JOB      SCHEDULE   NEXT                                RUNNING  LAST RUN')
  assert.equal(row, 'nightly  0 3 * * *  Tue 2026-11-24 03:00 Europe/Berlin  -        failed 13 s ago')
})

test('a run that took no time is not told as 0 s', () => {
  assert.equal(describeEnd(run, noColour), 'failed after 11 ms: exit code 4')
})
