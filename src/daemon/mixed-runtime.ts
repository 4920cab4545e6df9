/**
 * Processes and containers as one {@link Runtime}: the order says which, and a slot is one slot whatever fills it. Both kinds share the
 * slot's directory and its epoch file, so that neither can start under an epoch that the other has seen. A machine without containers
 * never loads what they need.
 */

import type { Epoch, SlotId } from '../core/model/id.ts'
import type {
  Discovery,
  ExecPlan,
  Guarantees,
  InstanceRef,
  LogChunk,
  ProcessIdentity,
  Runtime,
  RuntimeEvent,
  StartOrder,
  StartRefusal,
  Usage,
} from '../ports/runtime.ts'

export interface MixedRuntimeOptions {
  readonly processes: Runtime
  /** Loads what speaks with the engine; called once, and only when something needs it. */
  readonly loadContainers: () => Promise<Runtime>
  /** Whether anything wants containers or has ever left one here. */
  readonly hasContainers: () => Promise<boolean>
}

export class MixedRuntime implements Runtime {
  readonly #options: MixedRuntimeOptions
  readonly #processes: Runtime
  #loading: Promise<Runtime> | null = null
  #containers: Runtime | null = null
  /** Slots in which there is, or has been, a container. */
  readonly #slots = new Set<SlotId>()
  /** The live epochs that are containers. */
  readonly #live = new Set<string>()
  #emit: (event: RuntimeEvent) => void = () => {}

  constructor(options: MixedRuntimeOptions) {
    this.#options = options
    this.#processes = options.processes
  }

  async discover(onEvent: (event: RuntimeEvent) => void): Promise<Discovery> {
    this.#emit = onEvent
    const found = await this.#processes.discover(onEvent)
    if (!(await this.#options.hasContainers())) return found
    return merge(found, await this.#discoverContainers())
  }

  async start(order: StartOrder): Promise<StartRefusal | null> {
    const { slot } = order
    if (order.container === null) {
      if (!this.#slots.has(slot)) return this.#processes.start(order)
      const containers = await this.#load()
      return (await containers.isOccupied(slot)) ? occupied(await this.holders(slot)) : this.#processes.start(order)
    }
    const containers = await this.#load()
    if (await this.#processes.isOccupied(slot)) return occupied(await this.#processes.holders(slot))
    this.#slots.add(slot)
    this.#live.add(keyOf(order))
    let hasBegun = false
    try {
      const refusal = await containers.start(order)
      hasBegun = refusal === null
      return refusal
    } finally {
      if (!hasBegun) this.#live.delete(keyOf(order))
    }
  }

  signal(instance: InstanceRef, signal: Parameters<Runtime['signal']>[1]): Promise<void> {
    return this.#runtimeOf(instance).signal(instance, signal)
  }

  kill(instance: InstanceRef, limitMs: number): Promise<void> {
    return this.#runtimeOf(instance).kill(instance, limitMs)
  }

  async isOccupied(slot: SlotId): Promise<boolean> {
    if (await this.#processes.isOccupied(slot)) return true
    return this.#slots.has(slot) && (await (await this.#load()).isOccupied(slot))
  }

  async holders(slot: SlotId): Promise<readonly ProcessIdentity[]> {
    const processes = await this.#processes.holders(slot)
    return this.#containers === null ? processes : [...processes, ...(await this.#containers.holders(slot))]
  }

  usage(instance: InstanceRef): Usage | null {
    return this.#runtimeOf(instance).usage(instance)
  }

  exec(instance: InstanceRef, command: readonly string[]): Promise<ExecPlan> {
    return this.#runtimeOf(instance).exec(instance, command)
  }

  readLog(slot: SlotId, from: Parameters<Runtime['readLog']>[1], maxBytes: number): Promise<LogChunk> {
    return this.#processes.readLog(slot, from, maxBytes)
  }

  async forget(slot: SlotId): Promise<void> {
    if (this.#slots.has(slot)) await (await this.#load()).forget(slot)
    await this.#processes.forget(slot)
    this.#slots.delete(slot)
  }

  guarantees(): Guarantees {
    return this.#processes.guarantees()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#containers?.[Symbol.asyncDispose]()
    await this.#processes[Symbol.asyncDispose]()
  }

  /** What is not known to be a container is, at most, a process. */
  #runtimeOf(instance: InstanceRef): Runtime {
    return this.#containers !== null && this.#live.has(keyOf(instance)) ? this.#containers : this.#processes
  }

  /** For a slot that shall have a first container long after the daemon began. */
  async #load(): Promise<Runtime> {
    if (this.#containers === null) await this.#discoverContainers()
    if (this.#containers === null) throw new Error('no runtime for containers')
    return this.#containers
  }

  #discovery: Promise<Discovery> | null = null

  #discoverContainers(): Promise<Discovery> {
    this.#discovery ??= this.#discoverOnce().catch((error: unknown) => {
      this.#discovery = null
      throw error
    })
    return this.#discovery
  }

  async #discoverOnce(): Promise<Discovery> {
    this.#loading ??= this.#options.loadContainers()
    const containers = await this.#loading
    const found = await containers.discover((event) => {
      this.#emit(event)
      if (event.kind !== 'started') this.#live.delete(keyOf(event))
    })
    for (const occupant of found.occupants) {
      this.#slots.add(occupant.slot)
      if (occupant.state === 'running') this.#live.add(keyOf(occupant))
    }
    this.#containers = containers
    return found
  }
}

const keyOf = ({ slot, epoch }: InstanceRef): string => `${slot} ${epoch}`

const occupied = (holders: readonly ProcessIdentity[]): StartRefusal => ({ kind: 'occupied', holders })

function merge(one: Discovery, other: Discovery): Discovery {
  const lastEpochs = new Map<SlotId, Epoch>(one.lastEpochs)
  for (const [slot, epoch] of other.lastEpochs) if (epoch > (lastEpochs.get(slot) ?? 0)) lastEpochs.set(slot, epoch)
  // The epoch files are the same for both kinds, and the processes' runtime has read them all.
  return { occupants: [...one.occupants, ...other.occupants], lastEpochs, ...(one.committed && { committed: one.committed }) }
}
