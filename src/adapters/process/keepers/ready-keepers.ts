/**
 * Keepers that stand by: each in a session, a cgroup and (where the host has them) a PID namespace of its own before it is needed, so that a
 * start is one line to one of them. Their number is bounded; one that was used is replaced in the background. A ready keeper belongs to no
 * slot; it is handed out once, and who got it must tell it something or {@link ReadyKeeper.dismiss} it.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'

import { commandWords, isAlive } from '../../../system/process-stat.ts'
import { listProcesses } from '../cgroups/process-group.ts'
import { KeeperEnded, type KeeperIdentity, type KeeperLane } from './keeper-lane.ts'
import { keeperMarks, renderGreeting, renderMade } from './keeper-script.ts'
import type { KeeperTools } from './keeper-tools.ts'
import { KeeperShell } from './keeper-shell.ts'
import type { Site } from '../site.ts'

/** As many stand by in quiet times: so many programs that die together are back at once. Some 0.2 MB each. */
const usualCount = 8
/** Shells that make them, each with five lanes: one core each is busy with a burst of starts. */
const maxShells = 2
/** From its making until it says that it is ready; on a machine that is out of breath seconds. */
const readyLimitMs = 10_000
/** While some are left, the program that is just starting comes first. */
const refillDelayMs = 10
/** After a keeper that could not be made; doubled each time. */
const firstRetryMs = 100
const longestRetryMs = 5000
/** So many that ended at once are replaced at once, since they may have been killed; beyond it they cannot live on this host. */
const mostEndedInARow = 16

export interface ReadyKeeper {
  /** Names it in each message, and its cgroup. */
  readonly number: number
  readonly identity: KeeperIdentity
  /** The whole order. */
  send(text: string): void
  /** The last word, made when the keeper waits for it; it makes place for another keeper. */
  sendLast(make: () => string): void
  /** It is not needed after all: it ends, and its cgroup goes. */
  dismiss(): void
}

type Trouble = (message: string, error: unknown) => void

export interface ReadyKeepersOptions {
  readonly site: Site
  /** Asked again for each keeper: its script may have been removed meanwhile, and is then put back. */
  readonly tools: () => KeeperTools
  /** What each shell that makes keepers does first. */
  readonly prologue: string
  readonly onTrouble: Trouble
  /** How many stand by in quiet times. */
  readonly standBy?: number | undefined
  readonly readyLimitMs?: number
}

export class ReadyKeepers {
  readonly #options: ReadyKeepersOptions
  readonly #quietCount: number
  readonly #shells = new Set<KeeperShell>()
  /** Make no more keepers; those that they made may still be on their way. */
  readonly #retired = new Set<KeeperShell>()
  readonly #ready: ReadyKeeper[] = []
  readonly #waiting: { readonly resolve: (keeper: ReadyKeeper) => void; readonly reject: (error: unknown) => void }[] = []
  readonly #leaving = new Set<number>()
  #making = 0
  #lastNumber = 0
  #retryMs = firstRetryMs
  #endedInARow = 0
  #pause: NodeJS.Timeout | null = null
  #isClosed = false

  constructor(options: ReadyKeepersOptions) {
    this.#options = options
    this.#quietCount = options.standBy ?? usualCount
  }

  /** Begins to make them, in the background. */
  open(): void {
    this.#refill()
  }

  /** Rejects when none can be made, saying why. */
  take(): Promise<ReadyKeeper> {
    for (let keeper = this.#ready.shift(); keeper !== undefined; keeper = this.#ready.shift()) {
      if (isStillThere(keeper.identity)) {
        this.#refillSoon()
        return Promise.resolve(keeper)
      }
      keeper.dismiss()
    }
    const { promise, resolve, reject } = Promise.withResolvers<ReadyKeeper>()
    this.#waiting.push({ resolve, reject })
    this.#refill()
    return promise
  }

  /** Ends those that stand by; those that run something live on. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#pause !== null) clearTimeout(this.#pause)
    this.#failWaiting(new Error('this daemon is ending'))
    for (const keeper of this.#ready.splice(0)) keeper.dismiss()
    for (const shell of [...this.#shells, ...this.#retired]) shell.close()
    for (let round = 0; this.#leaving.size + this.#making > 0 && round < 100; round += 1) {
      await sleep(5)
      this.lookAtLeaving()
    }
  }

  /** Removes the cgroups of those that were sent away, as soon as they are empty; to be called now and then. */
  lookAtLeaving(): void {
    for (const number of this.#leaving) {
      const cgroup = this.#options.site.keeperCgroup(number)
      if (cgroup.isPopulated()) cgroup.killAll()
      else if (cgroup.seal()) this.#leaving.delete(number)
    }
  }

  /** Of a daemon that is no more: they were never told anything, and read the end of their input. */
  remove(numbers: readonly number[]): void {
    for (const number of numbers) this.#leaving.add(number)
    this.lookAtLeaving()
  }

  #refillSoon(): void {
    if (this.#ready.length === 0 || this.#waiting.length > 0) return this.#refill()
    setTimeout(() => this.#refill(), refillDelayMs).unref()
  }

  #refill(): void {
    while (
      !this.#isClosed &&
      this.#pause === null &&
      this.#ready.length + this.#making < this.#quietCount + this.#waiting.length
    ) {
      const place = this.#findLane()
      if (place === null) return
      this.#making += 1
      void this.#make(place.shell, place.lane)
    }
  }

  /** In the shell with the fewest keepers under way. */
  #findLane(): { readonly shell: KeeperShell; readonly lane: KeeperLane } | null {
    this.#retireShells()
    const free = [...this.#shells]
      .map((shell) => ({ shell, lanes: shell.lanes.filter((lane) => lane.isFree) }))
      .filter(({ lanes }) => lanes.length > 0)
      .toSorted((a, b) => b.lanes.length - a.lanes.length)
    const [best] = free
    const isBusy = best === undefined || (this.#waiting.length > 0 && best.lanes.length < best.shell.lanes.length)
    const isOnce = this.#options.site.survey.tools.setsid === null
    if (isBusy && this.#shells.size < (isOnce ? this.#quietCount : maxShells)) {
      const shell = this.#openShell()
      const [lane] = shell.lanes
      if (lane !== undefined) return { shell, lane }
    }
    const [lane] = best?.lanes ?? []
    return best === undefined || lane === undefined ? null : { shell: best.shell, lane }
  }

  /** One that has lost a lane is replaced whole, so that there are always as many as there should be. */
  #retireShells(): void {
    for (const shell of this.#shells) {
      if (shell.isWhole) continue
      this.#shells.delete(shell)
      this.#retired.add(shell)
    }
    for (const shell of this.#retired) if (!shell.isInUse) this.#drop(shell)
  }

  #openShell(): KeeperShell {
    const shell: KeeperShell = new KeeperShell({
      tools: this.#options.tools,
      prologue: this.#options.prologue,
      onFree: () => this.#refill(),
      onEnd: (why) => {
        this.#options.onTrouble('a shell that makes keepers ended; another takes its place', why)
        this.#drop(shell)
      },
    })
    this.#shells.add(shell)
    return shell
  }

  #drop(shell: KeeperShell): void {
    this.#shells.delete(shell)
    this.#retired.delete(shell)
    shell.close()
  }

  async #make(shell: KeeperShell, lane: KeeperLane): Promise<void> {
    let number = 0
    try {
      const { keepers } = this.#options.site
      lane.reserve()
      number = keepers === null ? (this.#lastNumber += 1) : await keepers.make()
      const [joinFile = null] = keepers === null ? [] : this.#options.site.keeperCgroup(number).joinFiles
      const tools = this.#options.tools()
      shell.make(lane, { number, joinFile })
      const identity = await lane.greet({
        greeting: renderGreeting(tools, number),
        made: renderMade(number),
        isThere: () => this.#isThere(number, keeperMarks(tools, number)),
        limitMs: this.#options.readyLimitMs ?? readyLimitMs,
      })
      this.#retryMs = firstRetryMs
      this.#endedInARow = 0
      this.#making -= 1
      this.#handOut(this.#keeper(number, identity, lane))
    } catch (error) {
      this.#making -= 1
      lane.spoil()
      this.#sendAway(number)
      if (this.#isClosed) return
      if (error instanceof KeeperEnded && (this.#endedInARow += 1) <= mostEndedInARow) this.#refill()
      else this.#rest(error)
    }
  }

  /** By its cgroup; without one, by its words. */
  #isThere(number: number, marks: readonly string[]): boolean {
    const { site } = this.#options
    if (site.keepers !== null) return site.keeperCgroup(number).isPopulated()
    const isIt = (words: readonly string[]): boolean => isDeepStrictEqual(words.slice(-marks.length), marks)
    return listProcesses().some((pid) => isIt(commandWords(pid)))
  }

  #handOut(keeper: ReadyKeeper): void {
    if (this.#isClosed) return keeper.dismiss()
    // Its word may have come long after it was said, on a machine that is out of breath.
    if (!isStillThere(keeper.identity)) keeper.dismiss()
    else if (this.#waiting.length === 0) this.#ready.push(keeper)
    else this.#waiting.shift()?.resolve(keeper)
    this.#refill()
  }

  #keeper(number: number, identity: KeeperIdentity, lane: KeeperLane): ReadyKeeper {
    return {
      number,
      identity,
      send: (text) => lane.send(text),
      sendLast: (make) => lane.sendLast(make, this.#options.readyLimitMs ?? readyLimitMs),
      dismiss: () => {
        lane.spoil()
        this.#sendAway(number)
      },
    }
  }

  #sendAway(number: number): void {
    if (this.#options.site.keepers === null || number === 0) return
    this.#leaving.add(number)
    this.lookAtLeaving()
  }

  /** Who waits is told why, and tries again by the rules of his slot; we do after a rest. */
  #rest(error: unknown): void {
    this.#options.onTrouble('a keeper could not be made', error)
    this.#failWaiting(error)
    if (this.#pause !== null) return
    this.#pause = setTimeout(() => {
      this.#pause = null
      this.#refill()
    }, this.#retryMs)
    this.#pause.unref()
    this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs)
  }

  #failWaiting(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

/** Somebody may have ended it while it stood by; without /proc nobody knows. */
const isStillThere = (identity: KeeperIdentity): boolean => identity.startTicks === 0 || isAlive(identity)
