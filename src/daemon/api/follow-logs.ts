/** What slots have printed, and go on printing, as lines of the API. */

import type { SlotId } from '../../core/model/id.ts'
import { asServiceName, parseSlotId } from '../../core/model/id.ts'
import { qualifiedSlot } from '../../core/model/project-id.ts'
import { formatSize } from '../../core/values/quantity.ts'
import type { Answer, Call } from '../../ports/api.ts'
import type { Clock } from '../../ports/clock.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Runtime } from '../../ports/runtime/runtime.ts'
import type { LogLine, LogNote } from '../../protocol/api.ts'
import { pause, readOptionalNumber } from './call.ts'
import type { Daemon } from '../daemon.ts'
import { isEndedRun, isKnownRun, lastRunSlot } from './jobs.ts'
import { buildSlot, noticeSlot } from '../../core/model/errand-slots.ts'
import { sendLogs, sendNewLogs } from './merged-logs.ts'
import type { SlotEntry } from './merged-logs.ts'
import type { Project } from '../project.ts'
import { ownerOf, seenAlso, shownBy, shownSlot } from './shown.ts'
import type { Shown } from './shown.ts'

/** How often a followed log is looked at: below what a reader notices, far above what a look costs. */
const logPauseMs = 200
const defaultLogLines = 100

export function followLogs({ daemon, clock }: { readonly daemon: Daemon; readonly clock: Clock }, call: Call): Answer {
  let shown = shownBy(daemon, call)
  const targets = call.query.getAll('service')
  const isOfAll = !call.query.has('project') && targets.length === 0
  const isRemoved = (): boolean => !isOfAll && shown.projects.every((project) => !daemon.projects.list().includes(project))
  /** By a name that stays when a second project comes, and the view has another name for the slots of the first. */
  const sources = new Map<SlotId, LogSource>()
  const slotsNow = (): readonly SlotId[] => {
    // Those that come are followed as well.
    if (isOfAll) shown = seenAlso(shown, shownBy(daemon, call))
    return chooseSources(daemon, shown, targets).map((source) => {
      const key = qualifiedSlot(source.project.place, source.id)
      sources.set(key, source)
      return key
    })
  }
  const reader: Pick<Runtime, 'readLog'> = {
    readLog: (slot, ...how) => {
      const { project, id } = sources.get(slot) ?? unreachable(slot)
      return project.runtime.readLog(id, ...how)
    },
  }
  const slots = slotsNow()
  const isFollowed = call.query.get('follow') === '1'
  const sinceMs = readOptionalNumber(call, 'since')
  const query = {
    lines: readOptionalNumber(call, 'lines') ?? (sinceMs === null ? defaultLogLines : null),
    sinceMs,
    untilMs: readOptionalNumber(call, 'until'),
    withOpenLines: !isFollowed,
  }
  return {
    kind: 'lines',
    async run(send, signal, drain) {
      const take = async (entry: SlotEntry): Promise<boolean> => {
        if (!send(renderLogLine(sources.get(entry.slot) ?? unreachable(entry.slot), entry))) return false
        await drain()
        return true
      }
      const { shortened, place } = await sendLogs(reader, slots, query, take)
      for (const slot of shortened) send(renderShortened(sources.get(slot) ?? unreachable(slot)))
      let wasOver = false
      while (isFollowed && !signal.aborted) {
        // Once more after the end of a run: its last lines came before it.
        const isOver = targets.length > 0 && targets.every((target) => isOverFor(daemon, shown, target))
        if ((isOver && wasOver) || isRemoved()) break
        wasOver = isOver
        await pause(clock, logPauseMs, signal)
        // Slots that an update brings in are followed as well.
        if (!(await sendNewLogs(reader, slotsNow(), place, take))) return
      }
    },
  }
}

function unreachable(slot: SlotId): never {
  throw new Error(`${slot} was not chosen`)
}

function renderLogLine({ project, shown: slot }: LogSource, { entry, isCut, isAfterGap }: SlotEntry): LogLine {
  return {
    service: parseSlotId(slot).service,
    slot,
    epoch: entry.epoch,
    at: entry.at,
    line: project.redact(entry.text),
    ...(entry.goesOn ? { goesOn: true } : {}),
    ...(isCut ? { isCut: true } : {}),
    ...(isAfterGap ? { isAfterGap: true } : {}),
    ...(entry.droppedBytes > 0 ? { droppedBytes: entry.droppedBytes } : {}),
  }
}

function renderShortened({ project, id, shown: slot }: LogSource): LogNote {
  const { maxBytes } = project.world.serviceOf(parseSlotId(id).service)?.logs ?? { maxBytes: null }
  const bound = maxBytes === null ? 'what its bound allows' : formatSize(maxBytes)
  const { service } = parseSlotId(slot)
  return { service, slot, note: `Older lines of ${slot} were removed: its log keeps ${bound} (logs.maxSize).` }
}

function isOverFor(daemon: Daemon, shown: Shown, target: string): boolean {
  const owner = ownerOf(daemon, shown, target)
  return owner !== null && isEndedRun(owner.project, owner.name)
}

/** A slot that has a log, and what the view calls it. A run that has ended has no shell any more, and still a log. */
interface LogSource {
  readonly project: Project
  readonly id: SlotId
  readonly shown: SlotId
}

function chooseSources(daemon: Daemon, shown: Shown, targets: readonly string[]): readonly LogSource[] {
  const named = (project: Project, ids: readonly SlotId[]): readonly LogSource[] =>
    ids.map((id) => ({ project, id, shown: shownSlot(shown, project, id) }))
  if (targets.length === 0) {
    const all = [...shown.projects, daemon.machine].map((project) => [project, [...project.world.reports.keys()]] as const)
    const isWanted = ({ world }: Project, slot: SlotId): boolean =>
      world.assignments.get(slot)?.goal.kind === 'run' || (world.reports.get(slot)?.occupant ?? null) !== null
    const wanted = all.flatMap(([project, slots]) =>
      named(
        project,
        slots.filter((slot) => isWanted(project, slot)),
      ),
    )
    // After a first revision that failed nothing is wanted, and its logs are just what a person looks for.
    return wanted.length > 0 ? wanted : all.flatMap(([project, slots]) => named(project, slots))
  }
  return targets.flatMap((target) => {
    const owner = ownerOf(daemon, shown, target)
    if (owner === null) throw unknownTarget(target)
    return named(owner.project, slotsOf(owner.project, owner.name))
  })
}

function slotsOf(project: Project, target: string): readonly SlotId[] {
  if (isKnownRun(project, target)) return [target]
  const errand = [buildSlot, noticeSlot].find((slot) => target === slot || target === parseSlotId(slot).service)
  if (errand !== undefined) return [errand]
  const slots = project.slotsFor(target)
  const lastRun = slots.length === 0 ? lastRunSlot(project, asServiceName(target)) : null
  if (lastRun !== null) return [lastRun]
  if (slots.length === 0 && project.world.serviceOf(target as never) === null) throw unknownTarget(target)
  return slots
}

export const unknownTarget = (target: string): DarumaError =>
  new DarumaError('E_SERVICE_UNKNOWN', `There is no service or slot ${target}.`, { hint: 'daruma status lists them.' })
