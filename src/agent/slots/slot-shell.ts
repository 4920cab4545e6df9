/**
 * One slot of this host at work: keeps its state, lets `core/instance` decide, does what was decided, and reports how that went as the next event.
 * It decides nothing. Everything it awaits comes back as an event with the epoch on it, so an answer that is late finds the
 * slot moved on and is ignored.
 */

import { isRetry } from '../../core/instance/backoff.ts'
import { describeSlot, isSameOutside } from '../../core/instance/describe.ts'
import type { SlotDescription } from '../../core/instance/describe.ts'
import type { InstanceSpec, Slot, SlotAction, SlotEvent, StartObstacle } from '../../core/instance/slot.ts'
import { nextWakeMs, stepSlot } from '../../core/instance/step.ts'
import type { Event } from '../../core/model/event.ts'
import type { Epoch, SlotId } from '../../core/model/id.ts'
import type { Check } from '../../core/model/service.ts'
import type { Clock, Timer } from '../../ports/clock.ts'
import type { CommandRunner } from '../../ports/command.ts'
import type { SlotInspection } from '../../ports/inspection.ts'
import type { Log } from '../../ports/log.ts'
import type { Net, ProbeResult } from '../../ports/net.ts'
import type { Random } from '../../ports/random.ts'
import type { Runtime, RuntimeEvent, StartOrder, StartRefusal } from '../../ports/runtime/runtime.ts'
import type { PortAnswer } from '../port-allotment.ts'
import type { WantedStart } from './start-request.ts'

export interface SlotTools {
  readonly runtime: Runtime
  readonly net: Net
  readonly commands: CommandRunner
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly emit: (event: Event) => void
  readonly acquirePort: (slot: SlotId, spec: InstanceSpec) => Promise<PortAnswer>
  readonly portOf: (slot: SlotId) => number | null
  /** Everything the runtime needs to start the spec; may throw an operating error (a secret, a volume). */
  readonly buildStartRequest: (start: WantedStart) => Promise<StartOrder>
  /** The end of an epoch has been taken in, with these events: to be written down together. */
  readonly settled: (shell: SlotShell, epoch: Epoch, events: readonly Event[]) => void
  /** Something has changed that matters outside the slot. */
  readonly changed: (shell: SlotShell) => void
}

/** A process in uninterruptible sleep may outlive its kill for as long as its disk hangs; the slot says so and tries on. */
const killLimitMs = 5000

export class SlotShell {
  readonly id: SlotId
  readonly #tools: SlotTools
  #slot: Slot
  #timer: Timer | null = null
  #lastProbe: string | null = null

  constructor(tools: SlotTools, slot: Slot) {
    this.id = slot.id
    this.#tools = tools
    this.#slot = slot
  }

  get slot(): Slot {
    return this.#slot
  }

  describe(): SlotDescription {
    return describeSlot(this.#slot, this.#tools.clock.now())
  }

  /** In words of this moment. */
  inspect(): SlotInspection {
    const { state, health, reason } = this.describe()
    const at = this.#slot.occupancy
    const provenAtMs = at.kind === 'live' ? at.health.provenAtMs : null
    const provenAt = provenAtMs === null ? null : this.#tools.clock.wallTimeOf(provenAtMs)
    return { state, health, reason, provenAt, lastProbe: this.#lastProbe }
  }

  dispatch(event: SlotEvent): void {
    const { slot, actions } = stepSlot(this.#slot, event, this.#tools.clock.now())
    const isSettled = event.kind === 'gone' || event.kind === 'found-ended'
    const isNews = isSettled || !isSameOutside(this.#slot, slot)
    this.#slot = slot
    const events = actions.flatMap((action) => (action.kind === 'emit' ? [{ slot: this.id, ...action.event }] : []))
    if (isSettled) this.#tools.settled(this, event.epoch, events)
    else for (const each of events) this.#tools.emit(each)
    for (const action of actions) this.#perform(action)
    this.#setTimer()
    if (isNews) this.#tools.changed(this)
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  #setTimer(): void {
    this.#timer?.cancel()
    const wakeMs = nextWakeMs(this.#slot)
    this.#timer =
      wakeMs === null ? null : this.#tools.clock.after(wakeMs - this.#tools.clock.now(), () => this.dispatch({ kind: 'tick' }))
  }

  #perform(action: SlotAction): void {
    switch (action.kind) {
      case 'emit':
      case 'record-outcome':
        // Both go with what they belong to: see dispatch.
        return
      case 'start':
        return this.#hold(this.#start(action.epoch, action.spec))
      case 'signal':
        return this.#hold(this.#signal(action))
      case 'kill':
        return this.#hold(this.#kill(action.epoch))
      case 'probe':
        return this.#hold(this.#probe(action))
    }
  }

  /** No promise is left alone. A failure here is one of our own: the slot's time limits take it from there. */
  #hold(work: Promise<void>): void {
    work.catch((error: unknown) => this.#tools.log.write('error', `slot ${this.id}: ${String(error)}`))
  }

  async #start(epoch: Epoch, spec: InstanceSpec): Promise<void> {
    this.#lastProbe = null
    const obstacle = await this.#tryStart(epoch, spec)
    if (obstacle === null) this.dispatch({ kind: 'spawned', epoch })
    else this.dispatch({ kind: 'refused', epoch, refusal: obstacle, jitter: this.#tools.random.fraction() })
  }

  async #tryStart(epoch: Epoch, spec: InstanceSpec): Promise<StartObstacle | null> {
    try {
      const answer = await this.#tools.acquirePort(this.id, spec)
      if (answer.kind === 'taken') return { kind: 'port-taken', message: answer.message }
      const request = await this.#tools.buildStartRequest({
        slot: this.id,
        epoch,
        spec,
        port: answer.port,
        isRetry: isRetry(this.#slot.failuresInARow),
      })
      const refusal = await this.#tools.runtime.start(request)
      return refusal === null ? null : toObstacle(refusal)
    } catch (error) {
      return { kind: 'not-startable', message: error instanceof Error ? error.message : String(error) }
    }
  }

  #signal({ epoch, signal, to }: Extract<SlotAction, { kind: 'signal' }>): Promise<void> {
    const at = this.#slot.occupancy
    const graceMs = at.kind === 'ending' ? Math.max(0, at.killAtMs - this.#tools.clock.now()) : 0
    const stop = at.kind === 'ending' ? { graceMs, isAtFault: at.atFault } : undefined
    return this.#tools.runtime.signal({ slot: this.id, epoch }, signal, to, stop)
  }

  async #kill(epoch: Epoch): Promise<void> {
    try {
      await this.#tools.runtime.kill({ slot: this.id, epoch }, killLimitMs)
    } catch (error) {
      this.dispatch({ kind: 'stuck', epoch, message: error instanceof Error ? error.message : String(error) })
    }
  }

  async #probe(action: Extract<SlotAction, { kind: 'probe' }>): Promise<void> {
    const { epoch, probes, check, timeoutMs } = action
    const { ok, detail } = await this.#ask(epoch, check, timeoutMs)
    this.#lastProbe = detail
    this.dispatch({ kind: 'probed', epoch, probes, ok, detail })
  }

  async #ask(epoch: Epoch, check: Check, timeoutMs: number): Promise<ProbeResult> {
    if (check.kind === 'exec') return this.#askCommand(epoch, check.command, timeoutMs)
    const port = check.port ?? this.#tools.portOf(this.id)
    if (port === null) return { ok: false, detail: `a ${check.kind} probe needs a port, and the service has none` }
    const { occupancy } = this.#slot
    const runs = occupancy.kind === 'live' ? occupancy.spec.service.runs : null
    const isBehindProxy = runs?.kind === 'container' && runs.network === 'bridge'
    return this.#tools.net.probe(check, port, timeoutMs, isBehindProxy)
  }

  async #askCommand(epoch: Epoch, command: readonly string[], timeoutMs: number): Promise<ProbeResult> {
    try {
      const plan = await this.#tools.runtime.exec({ slot: this.id, epoch }, command)
      const { code, output } = await this.#tools.commands.run(plan, timeoutMs)
      return {
        ok: code === 0,
        detail: `${command.join(' ')} → ${code === null ? 'no exit code' : `exit code ${code}`} ${JSON.stringify(output.slice(0, 200))}`,
      }
    } catch (error) {
      return { ok: false, detail: error instanceof Error ? error.message : String(error) }
    }
  }
}

/** What the runtime says, as the slot takes it in. */
export function toSlotEvent(event: RuntimeEvent, jitter: number): SlotEvent {
  const { epoch } = event
  switch (event.kind) {
    case 'started':
      return { kind: 'started', epoch, pid: event.pid, startedAt: event.startedAt }
    case 'refused':
      return { kind: 'refused', epoch, refusal: toObstacle(event.refusal), jitter }
    case 'gone':
      return { kind: 'gone', epoch, exit: event.exit, jitter }
  }
}

function toObstacle(refusal: StartRefusal): StartObstacle {
  switch (refusal.kind) {
    case 'occupied': {
      const who = refusal.holders.map(({ pid, command }) => (pid === 0 ? command : `pid ${pid} (${command})`)).join(', ')
      return { kind: 'occupied', message: `held by ${who === '' ? 'a process that could not be named' : who}` }
    }
    case 'superseded':
      return refusal
    case 'no-space':
      return { kind: 'no-space', message: `waits for space on the disk (${refusal.message})` }
    case 'engine-away':
      return { kind: 'engine-away', message: `waits for the container engine (${refusal.message})` }
    case 'failed':
      return { kind: 'not-startable', message: refusal.message }
  }
}
