/**
 * The world in signs of trouble. It is read as it is, at each look: no event is needed, so that what a daemon did not live to see is found by the
 * next one. While an operation is at work on a service, its own end tells how that went: nothing begins of the service meanwhile.
 */

import type { SlotReport } from '../../core/instance/report.ts'
import type { Run } from '../../core/cron/ledger.ts'
import type { ServiceName } from '../../core/model/id.ts'
import { isRunSlot, parseSlotId } from '../../core/model/id.ts'
import type { Service } from '../../core/model/service.ts'
import { slotCount } from '../../core/model/service.ts'
import type { Sign } from '../../core/notices/trouble.ts'
import type { CronEntry } from '../cron/entry.ts'
import type { FateRecord } from '../records.ts'
import type { World } from '../world/world.ts'

/** A crash loop that pauses for 30 s at most (the default) must not look like a recovery. */
const leastSettleMs = 30_000

export interface SignSources {
  readonly world: World
  readonly entries: ReadonlyMap<ServiceName, CronEntry>
  /** Of the newest revision; null where there is none, or it is not known. */
  readonly fate: FateRecord | null
}

/** Only what is in trouble, or was when it was last looked at, costs more than a look at its state. */
export function readSigns(sources: SignSources, isKnown: (key: string) => boolean): readonly Sign[] {
  return [...signsOfServices(sources.world, isKnown), ...signsOfSchedules(sources), ...signOfDeploy(sources)]
}

function signsOfServices(world: World, isKnown: (key: string) => boolean): readonly Sign[] {
  const involved = new Set<ServiceName>(world.operation?.involved)
  return (world.project?.services ?? []).flatMap((service) => {
    const { name, scale } = service
    // A job that fails is its deploy's failure, and a schedule's runs are told of as such.
    if (scale.kind === 'job' || scale.kind === 'schedule') return []
    const reports = world
      .reportsOf(name)
      .filter(({ slot }) => !isRunSlot(slot) && world.assignments.get(slot)?.goal.kind === 'run')
    return (['crash-loop', 'blocked'] as const).flatMap((topic): readonly Sign[] => {
      const key = `${topic}/${name}`
      const bad = reports.filter((report) => isBad(topic, report))
      if (bad.length === 0 && !isKnown(key)) return []
      const isUnderWay = involved.has(name)
      // By hand, or by a scale of 0.
      const isStopped = world.stoppedByHand.has(name) || slotCount(service) === 0
      const { state, mark } = isUnderWay ? unsettled : stateOf(reports, bad, isStopped)
      const settleMs = topic === 'blocked' ? 0 : Math.max(leastSettleMs, service.restart.resetAfterMs)
      return [{ key, topic, service: name, state, occurrence: '', mark, settleMs, ...describe(topic, service, bad) }]
    })
  })
}

const isBad = (topic: 'crash-loop' | 'blocked', { state }: SlotReport): boolean =>
  topic === 'blocked' ? state === 'blocked' : state === 'crash-looping' || state === 'failed'

const unsettled = { state: 'unsettled', mark: '' } as const

function stateOf(reports: readonly SlotReport[], bad: readonly SlotReport[], isStopped: boolean): Pick<Sign, 'state' | 'mark'> {
  if (isStopped) return { state: 'gone', mark: '' }
  if (bad.length > 0) return { state: 'bad', mark: '' }
  if (reports.length === 0 || !reports.every(isWell)) return unsettled
  return { state: 'well', mark: reports.map(({ slot, occupant, lastEpoch }) => `${slot}@${occupant?.epoch ?? lastEpoch}`).join() }
}

const isWell = ({ isReady, outcome }: SlotReport): boolean => isReady || outcome?.kind === 'completed'

function describe(topic: Sign['topic'], { name }: Service, bad: readonly SlotReport[]): Pick<Sign, 'message' | 'cause'> {
  const [first] = bad
  const slots = bad.map(({ slot }) => parseSlotId(slot).index)
  const what =
    bad.length <= 1 ? name : `${name} (${bad.length} instances: ${slots.slice(0, 5).join(', ')}${slots.length > 5 ? ', …' : ''})`
  const isFailed = first?.state === 'failed'
  const how = topic === 'blocked' ? 'is blocked: nothing is started in it' : isFailed ? 'has failed' : 'is crash-looping'
  return { message: `${what} ${how}`, cause: first?.reason ?? null }
}

function signsOfSchedules({ entries }: SignSources): readonly Sign[] {
  return [...entries.values()].flatMap(({ service, ledger, presence }): readonly Sign[] => {
    if (presence.kind === 'gone') return []
    const last = ledger.runs.findLast(isTelling)
    const key = `schedule/${service}`
    const common = { key, topic: 'schedule', service, occurrence: '', mark: '', settleMs: 0 } as const
    if (last === undefined) return [{ ...common, state: 'unsettled', message: '', cause: null }]
    const state = last.end?.kind === 'succeeded' ? 'well' : 'bad'
    return [{ ...common, state, message: `the last run of ${service} ${wordFor(last)}`, cause: last.end?.message ?? null }]
  })
}

/** A run by hand has somebody who looks at it; but it can show that all is well again. */
function isTelling({ phase, end, by }: Run): boolean {
  if (phase !== 'ended' || end === null) return false
  const isBad = end.kind === 'failed' || end.kind === 'timed-out' || end.kind === 'lost'
  return end.kind === 'succeeded' || (isBad && by === 'schedule')
}

const wordFor = ({ end }: Run): string =>
  end?.kind === 'timed-out' ? 'took too long' : end?.kind === 'lost' ? 'was lost' : 'failed'

function signOfDeploy({ world, fate }: SignSources): readonly Sign[] {
  const revision = world.lastRevision
  const isUnderWay = world.operation !== null || fate === null || fate.state === 'pending'
  const state = isUnderWay ? 'unsettled' : fate.state === 'failed' ? 'bad' : 'well'
  const back = world.applied === 0 ? 'no revision is active' : `revision ${world.applied} is active`
  const message = `revision ${revision} failed; ${back}`
  const common = { key: 'deploy', topic: 'deploy', service: null, mark: '', settleMs: 0 } as const
  return [{ ...common, state, occurrence: String(revision), message, cause: fate?.cause ?? null }]
}
