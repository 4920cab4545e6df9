/** When a scheduled service runs. */

import type { JSX } from 'preact'
import type { ServiceDetail } from '../protocol/api.ts'

export function ScheduleNote({ schedule }: { readonly schedule: ServiceDetail['schedule'] }): JSX.Element | null {
  if (schedule === null) return null
  return (
    <span class="quiet">
      {schedule.cron} {schedule.timezone}
    </span>
  )
}
