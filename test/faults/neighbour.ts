/**
 * A second project in the same daemon, in a quarter of the rounds: the same services under the same names, beside the project that the faults
 * are for. It must go through all of it as if it were alone: what is shared (daemon, balancer, engine) falls for both, but an instance of
 * its own ends only where this file kills it, and what is done to the other project by command it never notices.
 */

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { isSettled, type Machine } from '../daemon-harness.ts'
import { pick, type SeededRandom } from '../seeded-random.ts'
import { askDaemon } from '../socket.ts'
import { missing, occupants, type Occupant } from './occupants.ts'
import type { Workload } from './workload.ts'

/** One round in each four, and over the rounds with every kind of workload. */
export const hasNeighbour = (round: number): boolean => Math.floor(round / 4) % 4 === round % 4

/** What neighbouring projects are called: before and behind each other's names, so that nothing may compare by a prefix. */
export const neighbourName = 'test-2'

export interface Tenant {
  readonly machine: Machine
  readonly workload: Workload
}

export class Neighbour {
  readonly #tenant: Tenant
  #before: readonly Occupant[] = []
  /** What of it may be another one now: killed on purpose, or fallen with what it shares. */
  readonly #excused = new Set<string>()

  constructor(tenant: Tenant) {
    this.#tenant = tenant
  }

  async begin(): Promise<void> {
    const { machine, workload } = this.#tenant
    await machine.up(workload.services('first'))
    await machine.waitUntilSettled()
    this.#before = this.#own()
    assert.ok(this.#before.length > 0, 'the neighbour has nothing that could be touched')
  }

  /** A trouble of its own in the midst of the other's, in every other round. */
  async suffer(random: SeededRandom, note: (what: string) => void): Promise<void> {
    const { machine, workload } = this.#tenant
    const [isSpared, pauseMs] = [random() < 0.5, random() * 600]
    if (isSpared || workload.target.startsWith('@')) return
    this.#excused.add(workload.target)
    await sleep(pauseMs)
    note(`killing the neighbour's ${workload.target}`)
    await machine.kill('instance', workload.target)
  }

  /** The engine has fallen, and with it what it ran. */
  excuseContainers(): void {
    for (const [service, { image }] of Object.entries(this.#tenant.workload.services('')))
      if (image !== undefined) for (let index = 0; index < 5; index += 1) this.#excused.add(`${service}/${index}`)
  }

  async proveWell(limitMs: number): Promise<void> {
    const { machine, workload } = this.#tenant
    await machine.waitFor(
      'the neighbour is well',
      (status) => isSettled(status) && missing(machine, workload, 'first').length === 0,
      limitMs,
    )
    await workload.prove(machine)
    this.#proveUntouched('by the faults of the other project')
    await proveIdle(machine)
  }

  /** Takes the other project away, removes it, or takes it back, by command, and has it again. */
  async outlive(other: Tenant, value: string, random: SeededRandom, note: (what: string) => void): Promise<void> {
    this.#excused.clear()
    this.#before = this.#own()
    const ending = pick(random, ['down', 'removed', 'rolled back'] as const)
    note(`then the other project is ${ending}`)
    if (ending === 'rolled back') await this.#rollBack(other, value)
    else await this.#takeDown(other, ending === 'removed')
    this.#proveUntouched(`by the other project's being ${ending}`)
    await other.machine.up(other.workload.services(value))
    await other.machine.waitFor(
      'the other project runs again',
      (status) => isSettled(status) && missing(other.machine, other.workload, value).length === 0,
      60_000,
    )
    await other.workload.prove(other.machine)
    this.#proveUntouched("by the other project's coming back")
    await this.#tenant.workload.prove(this.#tenant.machine)
  }

  async #takeDown({ machine, workload }: Tenant, isRemoved: boolean): Promise<void> {
    await run(machine, ['down', '--yes'])
    const left = occupants(machine, { ...workload, builtIn: [] })
    assert.deepEqual(left, [], 'what was taken down still runs')
    if (!isRemoved) return
    const { name } = machine
    await askDaemon(machine.state, `/v1/projects/${name}/remove`, { volumes: [] })
    const projects = await askDaemon<readonly { readonly id: string }[]>(machine.state, '/v1/projects')
    assert.deepEqual(
      projects?.map(({ id }) => id),
      [this.#tenant.machine.name],
    )
  }

  async #rollBack({ machine, workload }: Tenant, value: string): Promise<void> {
    await machine.up(workload.services('third'))
    await run(machine, ['rollback', '--yes'])
    await machine.waitFor('the former revision runs', () => missing(machine, workload, value).length === 0, 60_000)
  }

  #own(): readonly Occupant[] {
    const { machine, workload } = this.#tenant
    return occupants(machine, { ...workload, builtIn: [] }).filter(({ slot }) => !this.#excused.has(slot))
  }

  #proveUntouched(by: string): void {
    const before = this.#before.filter(({ slot }) => !this.#excused.has(slot))
    assert.deepEqual(this.#own(), before, `the neighbour was touched ${by}`)
  }
}

/** What is applied already is no change, whatever has happened since. */
export async function proveIdle(machine: Machine): Promise<void> {
  assert.match(await run(machine, ['up', '--yes']), /: no changes /, 'a second up changes something')
}

async function run(machine: Machine, words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await machine.run(words, { limitMs: 90_000 })
  assert.equal(code, 0, `${words.join(' ')} of ${machine.name} ended with ${code}: ${stdout}${stderr}`)
  return stdout
}
