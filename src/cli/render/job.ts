/** Schedules and runs for people. A tick is shown in the schedule's own timezone, where it was thought of. */

import { explainExit } from '../../core/model/status.ts'
import type { JobView, RunsAnswer, RunView } from '../../protocol/api.ts'
import type { Paint, Palette } from '../screen/colour.ts'
import { formatAge, formatDuration, formatMoment, formatTook } from './quantity.ts'
import { renderTable } from './table.ts'
import { sanitise } from './width.ts'

export interface JobRendering {
  readonly palette: Palette
  readonly columns: number
  readonly nowMs: number
}

export function renderJobs(jobs: readonly JobView[], { palette, columns, nowMs }: JobRendering): string[] {
  if (jobs.length === 0) return ['no schedules and no jobs: a service gets one by `schedule` or `job`']
  const rows = jobs.map((job) => ({
    cells: [
      job.service,
      job.schedule === null ? 'once a revision' : job.schedule.cron,
      nextOf(job),
      nextIn(job, nowMs),
      job.running === null ? (job.queued > 0 ? `${job.queued} wait` : '-') : runningOf(job.running, job.queued, nowMs),
      lastOf(job, palette, nowMs),
    ],
    notes: [
      ...(job.fault === null ? [] : [palette.red(`└ it cannot run: ${job.fault}`)]),
      ...(job.last === null || job.last.message === null || job.last.state === 'succeeded'
        ? []
        : [`└ ${sanitise(job.last.message, false)}`]),
    ],
  }))
  return renderTable(
    [
      { title: 'JOB' },
      { title: 'SCHEDULE', leaves: 1 },
      { title: 'NEXT' },
      { title: 'DUE', leaves: 2 },
      { title: 'RUNNING' },
      { title: 'LAST RUN' },
    ],
    rows,
    { width: columns, title: palette.dim, noteIndent: 4 },
  )
}

/** `failed 32 s ago`. */
export function lastOf({ last }: JobView, palette: Palette, nowMs: number): string {
  if (last === null) return '-'
  return `${paintOf(last.state, palette)(last.state)}${last.endedAt === null ? '' : ` ${formatAge(last.endedAt, nowMs)} ago`}`
}

export const nextIn = ({ nextAt, isStopped }: JobView, nowMs: number): string =>
  nextAt === null || isStopped ? '-' : `in ${formatDuration(Date.parse(nextAt) - nowMs)}`

function nextOf({ kind, isStopped, nextAt, schedule, service }: JobView): string {
  if (isStopped) return `stopped: daruma start ${service}`
  if (kind === 'job') return '-'
  if (nextAt === null || schedule === null) return 'never'
  return inZone(Date.parse(nextAt), schedule.timezone)
}

function runningOf(run: RunView, queued: number, nowMs: number): string {
  const since =
    run.startedAt === null ? run.state : `${run.state === 'running' ? '' : `${run.state}, `}${formatAge(run.startedAt, nowMs)}`
  const attempt = run.attempt > 1 ? `, attempt ${run.attempt}` : ''
  return `${since}${attempt}${queued > 0 ? `, ${queued} wait` : ''}`
}

/** `Mon 2026-11-23 03:00 Asia/Tokyo`: sv-SE writes a date as ISO 8601 does. */
export function inZone(ms: number, timeZone: string): string {
  const date = new Date(ms)
  const day = new Intl.DateTimeFormat('en-GB', { weekday: 'short', timeZone }).format(date)
  const hasSeconds = ms % 60_000 !== 0
  const text = new Intl.DateTimeFormat('sv-SE', {
    dateStyle: 'short',
    timeStyle: hasSeconds ? 'medium' : 'short',
    timeZone,
  }).format(date)
  return `${day} ${text} ${timeZone}`
}

export function renderRuns({ runs, skips }: RunsAnswer, { palette, columns }: JobRendering): string[] {
  const rows = runs.map((run) => ({
    cells: [
      run.tick ?? run.slot,
      `${paintOf(run.state, palette)(run.state)}${run.isLate ? ' (late)' : ''}`,
      run.startedAt === null ? '-' : formatMoment(run.startedAt),
      run.durationMs === null ? '-' : formatTook(run.durationMs),
      run.attempt === 0 ? '-' : String(run.attempt),
      run.exit === null ? '-' : explainExit(run.exit),
      run.by,
    ],
    notes:
      run.message === null || run.state === 'succeeded' || run.state === 'failed' ? [] : [`└ ${sanitise(run.message, false)}`],
  }))
  const table = renderTable(
    [
      { title: 'TICK' },
      { title: 'STATE' },
      { title: 'STARTED', leaves: 2 },
      { title: 'TOOK', align: 'right' },
      { title: 'ATTEMPT', align: 'right', leaves: 1 },
      { title: 'EXIT' },
      { title: 'BY', leaves: 3 },
    ],
    rows,
    { width: columns, title: palette.dim, noteIndent: 4 },
  )
  const passed = skips.map(({ from, to, count, because }) => {
    const what = from === to ? from : `${from} to ${to}${count === null ? '' : ` (${count} ticks)`}`
    return palette.dim(`no run at ${what}: ${because}`)
  })
  return [...(runs.length === 0 ? ['no runs yet'] : table), ...(passed.length === 0 ? [] : ['', ...passed])]
}

/** The last line of `daruma job run --wait`. */
export function describeEnd(run: RunView, palette: Palette): string {
  const took = run.durationMs === null ? '' : ` after ${formatTook(run.durationMs)}`
  const how = run.exit === null || run.state === 'succeeded' ? '' : `: ${explainExit(run.exit)}`
  const why =
    run.message === null || run.state === 'succeeded' || run.state === 'failed' ? '' : ` (${sanitise(run.message, false)})`
  return paintOf(run.state, palette)(`${run.state}${took}${how}${why}`)
}

function paintOf(state: RunView['state'], palette: Palette): Paint {
  switch (state) {
    case 'succeeded':
    case 'running':
      return palette.green
    case 'failed':
    case 'timed-out':
    case 'lost':
      return palette.red
    case 'queued':
    case 'starting':
    case 'ending':
    case 'waiting':
    case 'stopped':
    case 'replaced':
    case 'cancelled':
      return palette.yellow
  }
}
