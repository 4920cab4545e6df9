/**
 * Kinds of services: which one is meant, and for a schedule what it says. Wall time is not the core's to know: what a cron expression
 * and a time zone are worth is asked through the context.
 */

import type { Scale, Schedule } from '../../model/service.ts'
import type { WallTime } from '../config-context.ts'
import { nearest } from '../../values/nearest.ts'
import type { Place, ProblemList } from '../../values/problem-list.ts'
import { cronNoun, schedule as scheduleKeys } from '../../keys/service/schedule.ts'
import type { WrittenService } from '../../keys/service.ts'
import { quote } from '../../values/show.ts'

const kinds = ['replicas', 'singleton', 'job', 'schedule'] as const

export interface ScaleContext {
  /** Null: expressions and time zones are taken as they are. */
  readonly wallTime: WallTime | null
  /** False when something of the service was refused: what is missing may be just that. */
  readonly isWhole: boolean
}

export function normaliseScale(written: WrittenService, context: ScaleContext, at: Place, problems: ProblemList): Scale {
  const said = kinds.filter((kind) => written[kind] !== undefined)
  if (said.length > 1) {
    const last = said.at(-1)!
    const message = `${said.join(' and ')} stand side by side`
    problems.add('E_CONFIG_CONFLICT', { up: at, key: last }, message, { allowed: `at most one of ${kinds.join(', ')}` })
  }
  if (written.timezone !== undefined && written.schedule === undefined) {
    problems.add('E_CONFIG_CONFLICT', { up: at, key: 'timezone' }, 'timezone is of a schedule, and there is none', {
      allowed: "schedule: '0 3 * * *' beside it",
    })
  }
  if (written.singleton === true) return { kind: 'singleton' }
  if (written.job === true) return { kind: 'job' }
  if (written.schedule !== undefined) return { kind: 'schedule', schedule: normaliseSchedule(written, context, at, problems) }
  return { kind: 'replicas', count: written.replicas ?? 1 }
}

function normaliseSchedule(
  written: WrittenService,
  { wallTime, isWhole }: ScaleContext,
  at: Place,
  problems: ProblemList,
): Schedule {
  const { cron, timezone } = written.schedule ?? {}
  const before = problems.count
  const place: Place = { up: at, key: 'schedule' }
  if (cron === undefined && isWhole)
    problems.add('E_CONFIG_REQUIRED', place, 'the schedule has no cron expression', { allowed: cronNoun })
  if (timezone !== undefined && written.timezone !== undefined) {
    problems.add('E_CONFIG_CONFLICT', { up: at, key: 'timezone' }, 'the time zone is said twice', {
      allowed: 'timezone beside schedule, or in it',
    })
  }
  const short = timezone === undefined && written.timezone !== undefined ? { timezone: written.timezone } : {}
  const schedule = scheduleKeys.fill(written.schedule, { cron: cron ?? '', ...short })
  if (problems.count > before || cron === undefined || wallTime === null) return schedule
  const isShort = written.timezone !== undefined
  const timezonePlace: Place = isShort ? { up: at, key: 'timezone' } : { up: place, key: 'timezone' }
  if (!wallTime.isTimezone(schedule.timezone)) refuseTimezone(schedule.timezone, wallTime.timezones(), timezonePlace, problems)
  else {
    const fault = wallTime.findFault(schedule.cron, schedule.timezone)
    if (fault !== null) problems.add('E_CONFIG_CRON', place, fault, { allowed: cronNoun })
  }
  return schedule
}

function refuseTimezone(name: string, known: readonly string[], at: Place, problems: ProblemList): void {
  const lower = name.toLowerCase()
  const ofCity = known.filter((zone) => zone.toLowerCase().endsWith(`/${lower}`))
  // Short names are as near to each other as any two words are: only places are suggested.
  const near =
    ofCity.length === 1
      ? ofCity[0]!
      : nearest(
          name,
          known.filter((zone) => zone.includes('/')),
        )
  problems.add('E_CONFIG_TIMEZONE', at, `there is no time zone ${quote(name)}`, {
    allowed: "a name of the IANA time zone database such as 'Europe/Berlin', or 'UTC'",
    suggestion: near === null ? null : quote(near),
  })
}
