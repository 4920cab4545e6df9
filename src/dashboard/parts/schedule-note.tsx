/** When a scheduled service runs next, and by which timetable. */

import type { JSX } from 'preact'
import type { JobView } from '../../protocol/api.ts'
import { formatDuration, formatMoment } from '../state/format.ts'

export function ScheduleNote({ job, nowMs }: { readonly job: JobView | null; readonly nowMs: number }): JSX.Element | null {
  if (job === null || job.schedule === null) return null
  const { cron, timezone } = job.schedule
  return (
    <span class="quiet" title={`${cron} ${timezone}${job.nextAt === null ? '' : `, next ${formatMoment(job.nextAt)}`}`}>
      {job.nextAt !== null && <>in {formatDuration(Date.parse(job.nextAt) - nowMs)}, </>}
      {cron} {timezone}
    </span>
  )
}
