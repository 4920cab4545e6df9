/** One service at length: `daruma status NAME`. What is known of it from the config stands first, then its slots, then its last words. */

import { explainExit } from '../../core/model/status.ts'
import { entriesOf, showUlimit } from '../../core/values/ulimits.ts'
import type { Service } from '../../core/model/service.ts'
import { formatDuration as formatSpan, formatSize } from '../../core/values/quantity.ts'
import { describeScale } from '../../core/plan/transition.ts'
import type { LogLine, StatusAnswer } from '../../protocol/api.ts'
import { LogLines } from './log.ts'
import { inZone } from './job.ts'
import { renderServices, type StatusView } from './status.ts'
import { sanitise, truncate } from './width.ts'

export interface ServiceDetails {
  /** Null for the balancer, which no config describes. */
  readonly spec: Service | null
  /** The last lines of each slot, oldest first. */
  readonly lastLines: readonly LogLine[]
}

/** `status` holds this one service and its instances. */
export function renderService(status: StatusAnswer, details: ServiceDetails, view: StatusView): string[] {
  const { palette } = view
  const [service] = status.services
  if (service === undefined) return []
  const facts = [...specFacts(details.spec), ...scheduleFacts(view), ...exitFacts(status)]
  const width = facts.reduce((widest, [name]) => Math.max(widest, name.length), 0)
  const head = [palette.bold(service.service), describeCount(service), service.guarantee]
  return [
    head.join(palette.dim(' · ')),
    ...facts.map(([name, text]) => truncate(`  ${palette.dim(name.padEnd(width))}  ${sanitise(text, false)}`, view.columns)),
    '',
    ...renderServices(status, view),
    '',
    ...lastWords(details.lastLines, view),
  ]
}

function describeCount({ kind, ready, desired }: StatusAnswer['services'][number]): string {
  return kind === 'schedule' ? 'schedule' : `${kind === 'replicas' ? '' : `${kind}, `}${ready} of ${desired} ready`
}

type Fact = readonly [name: string, text: string]

function specFacts(spec: Service | null): Fact[] {
  if (spec === null) return []
  const { runs, limits, after, scale } = spec
  const limit = [
    ...(limits.cpuCores === null ? [] : [`${limits.cpuCores} cores`]),
    ...(limits.memoryBytes === null ? [] : [formatSize(limits.memoryBytes)]),
    ...(limits.pids === null ? [] : [`${limits.pids} processes`]),
    ...entriesOf(spec.ulimits).map(([name, ulimit]) => `${name} ${showUlimit(ulimit)}`),
  ]
  return [
    ...(runs.kind === 'container' ? [['image', describeImage(runs.image)] as const] : []),
    ...(runs.command === null ? [] : [['command', describeCommand(runs.command)] as const]),
    ...(runs.directory === null ? [] : [['directory', runs.directory] as const]),
    ...(runs.user === null ? [] : [['user', runs.user] as const]),
    ...(scale.kind === 'schedule' ? [['schedule', `${scale.schedule.cron} ${scale.schedule.timezone}`] as const] : []),
    ['scale', scale.kind === 'schedule' ? 'one run a tick' : describeScale(spec)],
    ...(limit.length === 0 ? [] : [['limits', limit.join(', ')] as const]),
    ...(after.length === 0
      ? []
      : [['after', after.map(({ service, condition }) => `${service} (${condition})`).join(', ')] as const]),
    ['restart', `${spec.restart.policy}; ends by ${spec.stop.signal}, within ${formatSpan(spec.stop.gracePeriodMs)}`],
  ]
}

/** As it was written: a string in the config runs by sh. */
export function describeCommand(command: readonly string[]): string {
  const [shell, flag, text] = command
  if (command.length === 3 && shell === '/bin/sh' && flag === '-c' && text !== undefined) return text
  return command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(' ')
}

function describeImage(image: Extract<Service['runs'], { kind: 'container' }>['image']): string {
  if (image.from === 'registry') return image.reference
  return image.from === 'archive' ? image.path : `built from ${image.context}`
}

function scheduleFacts({ jobs = [] }: StatusView): Fact[] {
  return jobs.flatMap(({ schedule, nextAt }): Fact[] =>
    schedule === null || nextAt === null ? [] : [['next run', inZone(Date.parse(nextAt), schedule.timezone)]],
  )
}

/** Of each slot that has ended before. */
function exitFacts({ instances }: StatusAnswer): Fact[] {
  const ended = instances.flatMap(({ slot, lastExit }) => (lastExit === null ? [] : [`${slot} ${explainExit(lastExit)}`]))
  return ended.length === 0 ? [] : [['last exit', ended.slice(0, 5).join('; ') + (ended.length > 5 ? '; …' : '')]]
}

function lastWords(lines: readonly LogLine[], view: StatusView): string[] {
  if (lines.length === 0) return [view.palette.dim('it printed nothing')]
  const log = new LogLines(view.palette, { slots: lines.map(({ slot }) => slot) })
  return lines.map((line) => truncate(log.render(line), view.columns))
}
