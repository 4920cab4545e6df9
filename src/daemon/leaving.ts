/**
 * Projects that are being removed. What cannot be removed now (a full disk, a volume that is mounted) is tried again, later each time, and at once
 * when somebody wants the name; until it has gone its place and its name are nobody's.
 */

import { projectIdOf } from '../core/model/project-id.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { Timer } from '../ports/clock.ts'
import { DarumaError } from '../ports/error.ts'
import type { ProjectRecord } from '../server/records.ts'
import type { DaemonPorts } from './daemon-facts.ts'
import { finishRemoval, type RemovalPorts } from './removal.ts'

export interface LeavingOptions {
  readonly ports: RemovalPorts & Pick<DaemonPorts, 'openHome' | 'log'>
  /** One after the other with all that changes which projects there are. */
  readonly inTurn: (work: () => Promise<void>) => Promise<void>
}

interface Attempt {
  readonly record: ProjectRecord
  /** Before the next one. */
  readonly pauseMs: number
  readonly timer: Timer | null
}

const firstPauseMs = 10_000
const longestPauseMs = 600_000

export class Leaving {
  readonly #options: LeavingOptions
  readonly #attempts = new Map<ProjectId, Attempt>()
  #isClosed = false

  constructor(options: LeavingOptions) {
    this.#options = options
  }

  has(place: ProjectId): boolean {
    return this.#attempts.has(place)
  }

  /** Found by a new daemon: nothing of it is touched before {@link begin}. */
  remember(record: ProjectRecord): void {
    this.#attempts.set(record.place, { record, pauseMs: firstPauseMs, timer: null })
  }

  /** Goes on with what an earlier daemon has begun; others do not wait for it. */
  begin(): void {
    for (const { record } of this.#attempts.values()) this.#goOnInTurn(record)
  }

  close(): void {
    this.#isClosed = true
    for (const { timer } of this.#attempts.values()) timer?.cancel()
  }

  /** Of a project whose home is closed. Never rejects. */
  async remove(record: ProjectRecord): Promise<void> {
    this.remember(record)
    await this.#try(record, async () => {})
  }

  /** Tries again what is left of projects of that id. Throws `E_PROJECT_LEAVING`. */
  async finish(id: ProjectId): Promise<void> {
    for (const { record } of this.#attempts.values()) if (projectIdOf(record) === id) await this.#goOn(record)
    this.refuse(id)
  }

  /** Throws `E_PROJECT_LEAVING` where something of a project of that id is still there. */
  refuse(id: ProjectId): void {
    if ([...this.#attempts.values()].every(({ record }) => projectIdOf(record) !== id)) return
    throw new DarumaError('E_PROJECT_LEAVING', `${id} is being removed, and something of it is still there.`, {
      hint: 'The daemon retries until everything is gone; its log says what is in the way (a mounted volume, a full disk).',
    })
  }

  #goOnInTurn(record: ProjectRecord): void {
    void this.#options.inTurn(() => this.#goOn(record))
  }

  /** Its home is opened, since closing it removes what is left in the kernel. */
  #goOn(record: ProjectRecord): Promise<void> {
    return this.#try(record, async () => {
      const home = await this.#options.ports.openHome(record.place)
      await home[Symbol.asyncDispose]()
    })
  }

  async #try(record: ProjectRecord, prepare: () => Promise<void>): Promise<void> {
    const attempt = this.#attempts.get(record.place)
    // It has gone meanwhile, and its place may be another's.
    if (attempt?.record !== record || this.#isClosed) return
    attempt.timer?.cancel()
    const { ports } = this.#options
    try {
      await prepare()
      await finishRemoval(ports, record)
      this.#attempts.delete(record.place)
    } catch (error) {
      if (this.#isClosed) return
      const { pauseMs } = attempt
      const again = `it is tried again in ${pauseMs / 1000} s`
      ports.log.write('warn', `the project ${projectIdOf(record)} could not be removed, ${again}: ${String(error)}`)
      const timer = ports.clock.after(pauseMs, () => this.#goOnInTurn(record))
      this.#attempts.set(record.place, { record, pauseMs: Math.min(2 * pauseMs, longestPauseMs), timer })
    }
  }
}
