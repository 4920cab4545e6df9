/** What should be of each schedule, by the target revision and by what operators did; looked up again only when one of them has changed. */

import type { Ticks } from '../../core/cron/spans.ts'
import type { Schedule, Service } from '../../core/model/service.ts'
import type { Cron } from '../../ports/cron.ts'
import type { CronEntry } from './entry.ts'
import type { World } from '../world/world.ts'

const noTicks: Ticks = { next: () => null, last: () => null }

export class Presences {
  readonly #world: World
  readonly #load: () => Promise<Cron>
  #cron: Cron | null = null
  #target: unknown = null
  #stopped = ''

  constructor(world: World, load: () => Promise<Cron>) {
    this.#world = world
    this.#load = load
  }

  /** Whether what should be is another than at the last refresh. */
  isNew(): boolean {
    return this.#world.target !== this.#target || this.#stoppedText() !== this.#stopped
  }

  /** The services that are schedules now. */
  async refresh(): Promise<readonly Service[]> {
    const [target, stopped] = [this.#world.target, this.#stoppedText()]
    const schedules = (target?.project.services ?? []).filter(({ scale }) => scale.kind === 'schedule')
    if (schedules.length > 0) this.#cron ??= await this.#load()
    // Last: what could not be loaded now is still new at the next look.
    this.#target = target
    this.#stopped = stopped
    return schedules
  }

  apply(entry: CronEntry): void {
    const { target, unrecorded, stoppedByHand } = this.#world
    entry.fault = null
    if (target === null) {
      entry.presence = unrecorded.length > 0 ? { kind: 'unknown' } : { kind: 'gone', because: 'nothing is applied' }
      return
    }
    const service = this.#world.serviceOf(entry.service)
    if (service?.scale.kind !== 'schedule') {
      entry.presence = { kind: 'gone', because: target.cause === 'down' ? 'taken down' : 'it is no longer in the config' }
    } else if (stoppedByHand.has(entry.service)) {
      entry.presence = { kind: 'paused', because: 'stopped by hand' }
    } else {
      const { schedule } = service.scale
      entry.presence = { kind: 'active', schedule, ticks: this.#ticksOf(entry, schedule), revision: target.number }
    }
  }

  /** An expression that this daemon cannot use (written by another version, a timezone that is gone) has no ticks, and says why. */
  #ticksOf(entry: CronEntry, { cron, timezone }: Schedule): Ticks {
    const tool = this.#cron
    entry.fault = tool?.findFault(cron, timezone) ?? null
    if (tool === null || entry.fault !== null) return noTicks
    return { next: (afterMs) => tool.next(cron, timezone, afterMs), last: (window) => tool.last(cron, timezone, window) }
  }

  #stoppedText(): string {
    return [...this.#world.stoppedByHand].join(' ')
  }
}
