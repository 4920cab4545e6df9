/**
 * What the host is told of each slot. An assignment is made when its record is durable, or when the ledger of runs says so, and never changed:
 * the next one replaces it under a name of its own. The gate of a slot that is to run again opens only when somebody has looked.
 */

import type { Goal } from '../../core/instance/slot.ts'
import type { SlotId } from '../../core/model/id.ts'
import type { Service } from '../../core/model/service.ts'
import type { Gate } from '../../core/rollout/order.ts'
import type { Assignment, DownEntry } from '../../ports/exchange.ts'
import type { SecretStore } from '../secrets.ts'
import type { World } from '../world/world.ts'

export interface AssignmentsOptions {
  readonly world: World
  readonly secrets: Pick<SecretStore, 'valuesFor' | 'registryPasswordFor'>
  /** Of this server: no assignment of another life has the same name. */
  readonly life: () => number
  readonly publish: (key: string, entry: DownEntry | null) => void
}

const unseen: Gate = { open: false, because: 'not evaluated yet' }

export class Assignments {
  readonly #options: AssignmentsOptions
  #count = 0

  constructor(options: AssignmentsOptions) {
    this.#options = options
  }

  assign(slot: SlotId, goal: Goal): void {
    const before = this.#options.world.assignments.get(slot)
    const wasRunning = before !== undefined && before.goal.kind === 'run'
    this.#put(slot, goal, goal.kind === 'run' && wasRunning ? before.gate : unseen)
  }

  setGate(slot: SlotId, gate: Gate): void {
    const before = this.#options.world.assignments.get(slot)
    if (before === undefined || (before.gate.open === gate.open && before.gate.because === gate.because)) return
    this.#put(slot, before.goal, gate)
  }

  /** Its files are to go, and with them the slot's report; then {@link drop} it. Asking again does nothing. */
  forget(slot: SlotId): void {
    if (!this.isAskedToForget(slot)) this.#put(slot, { kind: 'forget' }, unseen)
  }

  drop(slot: SlotId): void {
    this.#options.world.noteAssignment(slot, null)
    this.#options.publish(`slot/${slot}`, null)
  }

  isAskedToForget(slot: SlotId): boolean {
    return this.#options.world.assignments.get(slot)?.goal.kind === 'forget'
  }

  /** Whether the host has done what {@link forget} asks for. */
  isForgotten(slot: SlotId): boolean {
    return this.isAskedToForget(slot) && !this.#options.world.reports.has(slot)
  }

  #put(slot: SlotId, goal: Assignment['goal'], gate: Gate): void {
    const { world, life, publish } = this.#options
    this.#count += 1
    const assignment: Assignment = {
      kind: 'slot',
      slot,
      order: `${life()}.${this.#count}`,
      goal,
      gate,
      project: { name: world.project?.name ?? '', stage: world.project?.stage ?? null },
      secrets: goal.kind === 'run' ? this.#secretsOf(goal.spec.service) : null,
    }
    world.noteAssignment(slot, assignment)
    publish(`slot/${slot}`, assignment)
  }

  /** A secret whose value is not known is no reason not to say what should run: the start says why it does not. */
  #secretsOf(service: Service): Assignment['secrets'] {
    const { secrets } = this.#options
    try {
      return { values: secrets.valuesFor(service), registryPassword: secrets.registryPasswordFor(service) }
    } catch (error) {
      return { missing: error instanceof Error ? error.message : String(error) }
    }
  }
}
