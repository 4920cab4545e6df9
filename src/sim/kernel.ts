/**
 * The simulated machine: what outlives every daemon. Programs are words: `serve` lives forever, `crash` ends at once, `sick` never
 * answers a probe, `finish` completes, `work` does in its own time, `fail` does not, `deaf` ignores every signal but SIGKILL. The kernel is also the witness: it
 * writes down whatever breaks a promise, in the moment in which it breaks.
 */

import type { Epoch, SlotId } from '../core/model/id.ts'
import { asEpoch, isRunSlot, parseSlotId } from '../core/model/id.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { Service } from '../core/model/service.ts'
import type { Exit } from '../core/model/status.ts'
import type { RuntimeEvent, StartOrder } from '../ports/runtime/runtime.ts'
import type { SimulatedClock } from './clock.ts'
import { ownSlot } from './place.ts'
import type { SeededRandom } from './random.ts'

export interface Instance {
  readonly order: StartOrder
  readonly pid: number
  readonly startedAt: string
  readonly startedMs: number
  readonly bootId: string
  state: 'keeper' | 'running' | 'gone'
  exit: Exit | null
  /** It lives and answers nobody. */
  isSick: boolean
  /** It has been, at any time. */
  wasSick: boolean
  /** Its command came into being, whatever became of it. */
  hasBegun: boolean
  /** It has had a signal. */
  wasAsked: boolean
  /** What was noted of it for the next daemon. */
  stop: { readonly deadlineMs: number; readonly isAtFault: boolean } | null
  /** Its cgroup is gone: a keeper that comes now can only leave. */
  isClosed: boolean
}

export class SimulatedKernel {
  readonly clock: SimulatedClock
  readonly random: SeededRandom
  readonly epochs: Map<SlotId, Epoch> = new Map()
  readonly instances: Map<SlotId, Instance[]> = new Map()
  /** Everything that must never happen and did. */
  readonly violations: string[] = []
  /** By job's command: how often it has completed. */
  readonly completions: Map<string, number> = new Map()
  /** By slot of a run: how often its command came into being, forever. */
  readonly runsBegun: Map<SlotId, number> = new Map()
  /** What was committed last in a slot, whether or not it came to a keeper. */
  readonly committed: Map<SlotId, { readonly order: StartOrder; readonly bootId: string }> = new Map()
  /** By pid, of all that there ever was. */
  readonly slotOfPid: Map<number, SlotId> = new Map()
  isDiskFull = false
  /** A disk that gives back nothing of what was written to logs. */
  areLogsLost = false
  /** No keeper stalls and no process sleeps without interruption any more. */
  isCalm = false
  bootId = 'boot-1'
  #nextPid = 100
  readonly #listeners = new Map<string, (event: RuntimeEvent) => void>()
  /** Told of each command that comes to life, and of each that the daemon asks to end. */
  onRun: (instance: Instance) => void = () => {}
  onAskedToEnd: (instance: Instance) => void = () => {}

  constructor(clock: SimulatedClock, random: SeededRandom) {
    this.clock = clock
    this.random = random
  }

  /** Events go to anything that listens now, one for each part of the machine: a daemon that has died hears nothing. */
  listen(part: string, onEvent: (event: RuntimeEvent) => void): void {
    this.#listeners.set(part, onEvent)
  }

  deafen(): void {
    this.#listeners.clear()
  }

  #onEvent(event: RuntimeEvent): void {
    for (const listener of this.#listeners.values()) listener(event)
  }

  /** The files of a part's slots are removed: what they say of the past is gone with them. */
  forgetPart(part: ProjectId): void {
    for (const slots of [this.epochs, this.committed, this.instances])
      for (const slot of slots.keys()) if (ownSlot(part, slot) !== null) slots.delete(slot)
  }

  of(slot: SlotId): readonly Instance[] {
    return this.instances.get(slot) ?? []
  }

  running(): readonly Instance[] {
    return [...this.instances.values()].flat().filter(({ state }) => state === 'running')
  }

  spawn(order: StartOrder): void {
    const instance: Instance = {
      order,
      pid: (this.#nextPid += 1),
      startedAt: this.clock.wallTime(),
      startedMs: this.clock.now(),
      bootId: this.bootId,
      state: 'keeper',
      exit: null,
      isSick: wordsOf(order)[0] === 'sick',
      wasSick: wordsOf(order)[0] === 'sick',
      hasBegun: false,
      wasAsked: false,
      stop: null,
      isClosed: false,
    }
    this.slotOfPid.set(instance.pid, order.slot)
    this.instances.set(order.slot, [...this.of(order.slot).slice(-3), instance])
    // Now and then a keeper is stopped for a long time before it has done anything.
    const delayMs = !this.isCalm && this.random.chance(0.03) ? 20_000 : 1 + this.random.below(20)
    this.clock.after(delayMs, () => this.#join(instance))
  }

  kill(instance: Instance): void {
    if (instance.state === 'running') this.#end(instance, { kind: 'signal', signal: 'SIGKILL' })
  }

  /** The end of a keeper that never came as far as its command. */
  abandon(instance: Instance): void {
    if (instance.state !== 'keeper') return
    instance.state = 'gone'
    const { slot, epoch } = instance.order
    this.#onEvent({ kind: 'gone', slot, epoch, exit: { kind: 'signal', signal: 'SIGKILL' } })
  }

  signal(instance: Instance): void {
    if (instance.state === 'running') this.onAskedToEnd(instance)
    instance.wasAsked = true
    if (instance.state !== 'running' || wordsOf(instance.order)[0] === 'deaf') return
    this.clock.after(1 + this.random.below(300), () => this.#end(instance, { kind: 'signal', signal: 'SIGTERM' }))
  }

  /** Nothing of it runs, and nothing ever will. False while something does. */
  close(instance: Instance): boolean {
    if (instance.state === 'running') return false
    if (instance.state === 'keeper' && !instance.isClosed) instance.isClosed = true
    return true
  }

  reboot(): void {
    this.bootId = `boot-${this.random.hex(4)}`
    for (const instance of [...this.instances.values()].flat()) {
      instance.isClosed = true
      if (instance.state !== 'gone') Object.assign(instance, { state: 'gone' })
    }
  }

  /** Keeper.sh: the lock, the comparison, the cgroup, and only then the command. */
  #join(instance: Instance): void {
    const { order } = instance
    if (instance.state !== 'keeper') return
    if (instance.isClosed || this.epochs.get(order.slot) !== order.epoch) {
      instance.state = 'gone'
      this.#onEvent({ kind: 'refused', slot: order.slot, epoch: order.epoch, refusal: { kind: 'failed', message: 'given up' } })
      return
    }
    this.#witness(instance)
    instance.state = 'running'
    instance.hasBegun = true
    this.onRun(instance)
    const { slot, epoch } = order
    this.#onEvent({ kind: 'started', slot, epoch, pid: instance.pid, startTicks: instance.pid, startedAt: instance.startedAt })
    this.#live(instance)
  }

  #witness({ order }: Instance): void {
    const others = this.running()
    for (const other of others) {
      if (other.order.slot === order.slot) this.violations.push(`two run in ${order.slot}: ${other.order.epoch}, ${order.epoch}`)
      const { PORT: port } = order.environment
      if (port !== undefined && other.order.environment['PORT'] === port)
        this.violations.push(`${other.order.slot} and ${order.slot} have port ${port} at the same time`)
      for (const { name } of order.volumes)
        if (other.order.volumes.some((volume) => volume.name === name))
          this.violations.push(`${other.order.slot} and ${order.slot} have volume ${name} at the same time`)
      const isOne =
        isAlone(other.order) && isAlone(order) && parseSlotId(other.order.slot).service === parseSlotId(order.slot).service
      if (isOne) this.violations.push(`${order.slot} runs beside ${other.order.slot}, and its service is to have one place`)
    }
    for (const other of this.of(order.slot))
      if (other.order !== order && other.order.epoch >= order.epoch && other.state !== 'keeper')
        this.violations.push(`epoch ${order.epoch} of ${order.slot} came after ${other.order.epoch}`)
    if (isRunSlot(order.slot)) this.#witnessRun(order)
    const word = wordsOf(order).join(' ')
    if (wordsOf(order)[0] === 'finish' && (this.completions.get(word) ?? 0) > 0) this.violations.push(`"${word}" ran again`)
  }

  #witnessRun({ slot, note }: StartOrder): void {
    const { scale } = (JSON.parse(note) as { readonly service: Service }).service
    const times = (this.runsBegun.get(slot) ?? 0) + 1
    this.runsBegun.set(slot, times)
    const allowed = scale.kind === 'schedule' ? 1 + scale.schedule.retries : 1
    if (times > allowed) this.violations.push(`the tick ${slot} ran ${times} times`)
  }

  #live(instance: Instance): void {
    const [word] = wordsOf(instance.order)
    const lifeMs = 5 + this.random.below(40)
    if (word === 'crash' || word === 'fail') this.clock.after(lifeMs, () => this.#end(instance, { kind: 'code', code: 1 }))
    if (word === 'work') this.clock.after(lifeMs + this.random.below(3000), () => this.#end(instance, { kind: 'code', code: 0 }))
    if (word === 'finish') this.clock.after(lifeMs, () => this.#end(instance, { kind: 'code', code: 0 }))
  }

  #end(instance: Instance, exit: Exit): void {
    if (instance.state !== 'running') return
    const { slot, epoch } = instance.order
    instance.state = 'gone'
    instance.exit = exit
    instance.isClosed = true
    const word = wordsOf(instance.order).join(' ')
    // Who was asked to end may say 0 for that: whether his work is done is not known, and who asks for it again has it done again.
    if (exit.kind === 'code' && exit.code === 0 && !instance.wasAsked)
      this.completions.set(word, (this.completions.get(word) ?? 0) + 1)
    this.#onEvent({ kind: 'gone', slot, epoch, exit })
  }

  lastEpochs(): ReadonlyMap<SlotId, Epoch> {
    return new Map([...this.epochs].map(([slot, epoch]) => [slot, asEpoch(epoch)]))
  }
}

/** The note beside each instance says what it was started as. */
function isAlone({ note }: StartOrder): boolean {
  const { service } = JSON.parse(note) as { readonly service: Service }
  return service.scale.kind !== 'replicas'
}

/** The words that its simulated program is made of; empty for an image's own. */
export const wordsOf = ({ runs }: StartOrder): readonly string[] => runs.command ?? []
