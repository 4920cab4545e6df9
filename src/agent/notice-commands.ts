/**
 * Runs the commands of `notify`, like builds: in a slot of their own, with an epoch, but nobody adopts one. A daemon that finds one ends it, and
 * the notice is told again. What a command leaves running is ended with it.
 */

import type { Epoch } from '../core/model/id.ts'
import { asEpoch, startsPerClaim } from '../core/model/id.ts'
import { launchWords } from '../core/model/shell-command.ts'
import { describeExit } from '../core/model/status.ts'
import { noticeSlot } from '../core/model/errand-slots.ts'
import type { Clock, Timer } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { CommandDelivery, DeliveryAnswer } from '../ports/notices/deliver.ts'
import type { Discovery, InstanceRef, Runtime, RuntimeEvent } from '../ports/runtime/runtime.ts'
import type { ErrandRunner } from './errand.ts'
import { hostEnvironment } from './slots/environment.ts'

export interface NoticeCommandsOptions {
  readonly runtime: Runtime
  readonly clock: Clock
  readonly log: Log
  readonly facts: { readonly home: (user: string | null) => string | Promise<string>; readonly nodeDirectory: string }
}

/** A process in uninterruptible sleep may outlive its kill; the next attempt then finds the slot occupied. */
const killLimitMs = 5000
const maxLogBytes = 1024 * 1024
/** Of what it said, for the reason why it did not take a notice. */
const linesShown = 3
const looksAtLog = 10
const logPauseMs = 50

export class NoticeCommands implements ErrandRunner {
  readonly #options: NoticeCommandsOptions
  #lastEpoch: Epoch = asEpoch(startsPerClaim)
  #running: { readonly instance: InstanceRef; readonly take: (event: RuntimeEvent) => void } | null = null
  /** One after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #isClosed = false

  constructor(options: NoticeCommandsOptions) {
    this.#options = options
  }

  /** Ends what a former daemon was running. */
  async load(discovery: Discovery): Promise<void> {
    this.#lastEpoch = asEpoch(Math.max(this.#lastEpoch, discovery.lastEpochs.get(noticeSlot) ?? 0))
    for (const occupant of discovery.occupants)
      if (occupant.slot === noticeSlot && occupant.state === 'running') await this.#kill(occupant)
  }

  take(event: RuntimeEvent): void {
    if (event.slot === noticeSlot && this.#running?.instance.epoch === event.epoch) this.#running.take(event)
  }

  /** Never rejects. The time-out is for the command alone, and begins when it has been started: others' starts may be before it. */
  run(delivery: CommandDelivery): Promise<DeliveryAnswer> {
    const turn = this.#turn.then(() => this.#run(delivery))
    const answer = turn.catch((error: unknown) => notTaken(error instanceof Error ? error.message : String(error)))
    this.#turn = answer
    return answer
  }

  /** The daemon ends: the notice is told again by the next one. */
  close(): void {
    this.#isClosed = true
    const running = this.#running
    if (running !== null) running.take({ kind: 'refused', ...running.instance, refusal: ending })
  }

  async #run({ command, directory, user, environment, body, timeoutMs }: CommandDelivery): Promise<DeliveryAnswer> {
    if (this.#isClosed) return notTaken(ending.message)
    const { runtime, clock, facts } = this.#options
    await runtime.forget(noticeSlot)
    const instance: InstanceRef = { slot: noticeSlot, epoch: asEpoch(this.#lastEpoch + 1) }
    this.#lastEpoch = instance.epoch
    const end = Promise.withResolvers<DeliveryAnswer>()
    this.#running = { instance, take: (event) => settle(event, end.resolve) }
    let isLate: Timer | null = null
    try {
      const refusal = await runtime.start({
        ...instance,
        runs: { kind: 'process', command: withInput(launchWords(command, 'SIGTERM')), directory, user },
        environment: {
          ...hostEnvironment({ user, nodeDirectory: facts.nodeDirectory, home: await facts.home(user) }),
          ...environment,
          [noticeVariable]: body.trimEnd(),
        },
        limits: { cpuCores: null, memoryBytes: null, pids: null },
        ulimits: {},
        secretFiles: {},
        volumes: [],
        maxLogBytes,
        note: '{}',
        isRetry: false,
      })
      isLate = clock.after(timeoutMs, () => end.resolve(notTaken(`no end within ${timeoutMs / 1000} s`)))
      const answer = refusal === null ? await end.promise : notTaken(whyRefused(refusal))
      return answer.isTaken ? answer : notTaken(`${answer.message}${await this.#lastWords()}`)
    } finally {
      isLate?.cancel()
      this.#running = null
      await this.#kill(instance)
    }
  }

  /** What it said last may still be on its way from the pipe to the log. */
  async #lastWords(): Promise<string> {
    const { runtime, clock } = this.#options
    for (let look = 0; look < looksAtLog && !this.#isClosed; look += 1) {
      const page = await runtime.readLog(noticeSlot, { lines: linesShown }, 4096).catch(() => null)
      const lines = page === null ? [] : [...page.entries, ...(page.open === null ? [] : [page.open])]
      if (lines.length > 0) return `; it said: ${lines.map(({ text }) => text).join(' / ')}`
      await new Promise<void>((resolve) => clock.after(logPauseMs, resolve))
    }
    return ''
  }

  async #kill(instance: InstanceRef): Promise<void> {
    await this.#options.runtime
      .kill(instance, killLimitMs)
      .catch((error: unknown) => this.#options.log.write('error', `notify: ${String(error)}`))
  }
}

const noticeVariable = 'DARUMA_NOTICE'
const ending = { kind: 'failed', message: 'the daemon is ending' } as const

const notTaken = (message: string): DeliveryAnswer => ({ isTaken: false, message })

/** The exit code is the command's: of a pipe the last one's counts. One that reads nothing ends the writer with it (SIGPIPE). */
const withInput = (words: readonly string[]): readonly string[] => [
  '/bin/sh',
  '-c',
  `printf '%s\\n' "$${noticeVariable}" | "$@"`,
  'sh',
  ...words,
]

function settle(event: RuntimeEvent, resolve: (answer: DeliveryAnswer) => void): void {
  if (event.kind === 'refused') resolve(notTaken(whyRefused(event.refusal)))
  if (event.kind !== 'gone') return
  const { exit } = event
  // What it leaves running is ended with it, and is no reason to tell it again.
  const isTaken = exit.kind === 'code' && exit.code === 0
  resolve({ isTaken, message: isTaken ? 'exit code 0' : describeExit(exit) })
}

function whyRefused(refusal: Extract<RuntimeEvent, { readonly kind: 'refused' }>['refusal']): string {
  if (refusal.kind === 'occupied')
    return `the command before it cannot be ended: ${refusal.holders.map(({ pid }) => `pid ${pid}`).join(', ')}`
  if (refusal.kind === 'superseded') return 'a newer one has begun'
  return refusal.message
}
