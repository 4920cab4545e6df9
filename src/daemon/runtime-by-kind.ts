/**
 * One {@link Runtime} made of one for each kind of program: the order says which, and a slot is one slot whatever fills it. All kinds
 * share the slot's directory and its epoch file, so that none can start under an epoch that another has seen. The processes' runtime is
 * always there and owns what the kinds share (the slots' directories and logs); the others are loaded when something needs them.
 */

import type { Epoch, SlotId } from '../core/model/id.ts'
import type { Runs } from '../core/model/service.ts'
import type {
  Discovery,
  ExecPlan,
  Guarantees,
  InstanceRef,
  LogPage,
  ProcessIdentity,
  Runtime,
  RuntimeEvent,
  StartOrder,
  StartRefusal,
  Usage,
} from '../ports/runtime/runtime.ts'

export interface LazyRuntime {
  /** Called once, and only when something needs it. */
  readonly load: () => Promise<Runtime>
  /** Whether anything wants this kind or has ever left one here. */
  readonly isNeeded: () => Promise<boolean>
}

type Kind = Runs['kind']
type LazyKind = Exclude<Kind, 'process'>

/** The compiler asks for another entry when there is another kind. */
export type Runtimes = { readonly process: Runtime } & { readonly [Name in LazyKind]: LazyRuntime }

export class RuntimeByKind implements Runtime {
  readonly #processes: Runtime
  readonly #others: ReadonlyMap<LazyKind, LoadedOnce>
  #emit: (event: RuntimeEvent) => void = () => {}

  constructor({ process, ...others }: Runtimes) {
    this.#processes = process
    const wrap = (source: LazyRuntime): LoadedOnce => new LoadedOnce(source, (event) => this.#emit(event))
    this.#others = new Map(Object.entries(others).map(([kind, source]) => [kind as LazyKind, wrap(source)]))
  }

  async discover(onEvent: (event: RuntimeEvent) => void): Promise<Discovery> {
    this.#emit = onEvent
    let found = await this.#processes.discover(onEvent)
    for (const other of this.#others.values()) {
      if (await other.isNeeded()) found = merge(found, await other.discover())
    }
    return found
  }

  async start(order: StartOrder): Promise<StartRefusal | null> {
    const { slot, runs } = order
    const other = runs.kind === 'process' ? null : this.#other(runs.kind)
    const own = other === null ? this.#processes : await this.#loaded(other)
    for (const runtime of await this.#everIn(slot)) {
      if (runtime !== own && (await runtime.isOccupied(slot))) return { kind: 'occupied', holders: await runtime.holders(slot) }
    }
    if (other === null) return own.start(order)
    other.slots.add(slot)
    other.live.add(keyOf(order))
    let hasBegun = false
    try {
      const refusal = await own.start(order)
      hasBegun = refusal === null
      return refusal
    } finally {
      if (!hasBegun) other.live.delete(keyOf(order))
    }
  }

  signal(...asked: Parameters<Runtime['signal']>): Promise<void> {
    return this.#runtimeOf(asked[0]).signal(...asked)
  }

  kill(instance: InstanceRef, limitMs: number): Promise<void> {
    return this.#runtimeOf(instance).kill(instance, limitMs)
  }

  async isOccupied(slot: SlotId): Promise<boolean> {
    for (const runtime of await this.#everIn(slot)) if (await runtime.isOccupied(slot)) return true
    return false
  }

  async holders(slot: SlotId): Promise<readonly ProcessIdentity[]> {
    const loaded = [...this.#others.values()].flatMap(({ runtime }) => (runtime === null ? [] : [runtime]))
    return (await Promise.all([this.#processes, ...loaded].map((runtime) => runtime.holders(slot)))).flat()
  }

  memoryKills(instance: InstanceRef): number | null {
    return this.#runtimeOf(instance).memoryKills(instance)
  }

  usage(instance: InstanceRef): Usage | null {
    return this.#runtimeOf(instance).usage(instance)
  }

  exec(instance: InstanceRef, command: readonly string[]): Promise<ExecPlan> {
    return this.#runtimeOf(instance).exec(instance, command)
  }

  readLog(slot: SlotId, from: Parameters<Runtime['readLog']>[1], maxBytes: number): Promise<LogPage> {
    return this.#processes.readLog(slot, from, maxBytes)
  }

  async forget(slot: SlotId): Promise<void> {
    // The processes' runtime comes last: the directory goes with it.
    for (const runtime of (await this.#everIn(slot)).toReversed()) await runtime.forget(slot)
    for (const other of this.#others.values()) other.slots.delete(slot)
  }

  guarantees(): Guarantees {
    return this.#processes.guarantees()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { runtime } of this.#others.values()) await runtime?.[Symbol.asyncDispose]()
    await this.#processes[Symbol.asyncDispose]()
  }

  /** What is not known to be of another kind is, at most, a process. */
  #runtimeOf(instance: InstanceRef): Runtime {
    for (const { runtime, live } of this.#others.values()) if (runtime !== null && live.has(keyOf(instance))) return runtime
    return this.#processes
  }

  /** The runtimes that may know something of the slot; a kind that it has never held is not loaded for it. */
  async #everIn(slot: SlotId): Promise<readonly Runtime[]> {
    const runtimes = [this.#processes]
    for (const other of this.#others.values()) if (other.slots.has(slot)) runtimes.push(await this.#loaded(other))
    return runtimes
  }

  #other(kind: LazyKind): LoadedOnce {
    const other = this.#others.get(kind)
    if (other === undefined) throw new Error(`no runtime for a ${kind}`)
    return other
  }

  /** For a slot that shall have its first of a kind long after the daemon began. */
  async #loaded(other: LoadedOnce): Promise<Runtime> {
    if (other.runtime === null) await other.discover()
    if (other.runtime === null) throw new Error('a runtime that was discovered is not there')
    return other.runtime
  }
}

/** Loads and discovers once; what failed is tried again by the next who asks. */
class LoadedOnce {
  /** Slots in which there is, or has been, one of its kind. */
  readonly slots: Set<SlotId> = new Set()
  /** The live epochs of its kind. */
  readonly live: Set<string> = new Set()
  runtime: Runtime | null = null
  readonly #source: LazyRuntime
  readonly #onEvent: (event: RuntimeEvent) => void
  #loading: Promise<Runtime> | null = null
  #discovery: Promise<Discovery> | null = null

  constructor(source: LazyRuntime, onEvent: (event: RuntimeEvent) => void) {
    this.#source = source
    this.#onEvent = onEvent
  }

  isNeeded(): Promise<boolean> {
    return this.#source.isNeeded()
  }

  discover(): Promise<Discovery> {
    this.#discovery ??= this.#discoverOnce().catch((error: unknown) => {
      this.#discovery = null
      throw error
    })
    return this.#discovery
  }

  async #discoverOnce(): Promise<Discovery> {
    this.#loading ??= this.#source.load()
    const runtime = await this.#loading
    const found = await runtime.discover((event) => {
      this.#onEvent(event)
      if (event.kind !== 'started') this.live.delete(keyOf(event))
    })
    for (const occupant of found.occupants) {
      this.slots.add(occupant.slot)
      if (occupant.state === 'running') this.live.add(keyOf(occupant))
    }
    this.runtime = runtime
    return found
  }
}

const keyOf = ({ slot, epoch }: InstanceRef): string => `${slot} ${epoch}`

function merge(one: Discovery, other: Discovery): Discovery {
  const lastEpochs = new Map<SlotId, Epoch>(one.lastEpochs)
  for (const [slot, epoch] of other.lastEpochs) if (epoch > (lastEpochs.get(slot) ?? 0)) lastEpochs.set(slot, epoch)
  // The epoch files are the same for all kinds, and the processes' runtime has read them all.
  return { ...one, occupants: [...one.occupants, ...other.occupants], lastEpochs }
}
