/** One round: a fresh machine, one scenario, and everything that must be true afterwards. */

import assert from 'node:assert/strict'
import type { CheckpointDriver } from '../checkpoint-driver.ts'
import { isSettled, Machine, type MachineOptions } from '../daemon-harness.ts'
import type { LabEngine } from '../engine/lab-engine.ts'
import type { GatedPackage } from '../keeper-gates.ts'
import { pick, seededRandom } from '../seeded-random.ts'
import { usualProject } from '../slot-directory.ts'
import { violationsOf } from '../witness/index.ts'
import type { Witness } from '../witness/index.ts'
import { hasNeighbour, Neighbour, neighbourName, proveIdle } from './neighbour.ts'
import { missing, occupants } from './occupants.ts'
import { ofEngines, scenarios, scenariosFor } from './scenarios.ts'
import { workloadOf } from './workload.ts'

export interface RoundOptions {
  readonly seed: string
  readonly round: number
  readonly witness: Witness
  readonly driver: CheckpointDriver
  readonly gates: GatedPackage
  /** An engine that runs nothing, for a round with containers. */
  readonly engine: () => Promise<LabEngine>
}

export interface RoundReport {
  readonly round: number
  readonly scenario: string
  readonly workload: string
  readonly durationMs: number
  readonly notes: readonly string[]
}

/** Supervisor and daemon killed together are brought back by the collector, which looks every 5 s. */
const settleLimitMs = 45_000

export async function playRound(options: RoundOptions): Promise<RoundReport> {
  const { seed, round, witness, driver, gates } = options
  const random = seededRandom(`${seed}/${round}`)
  const workload = await workloadOf(round)
  const name = pick(random, scenariosFor(workload.kind))
  const notes: string[] = []
  const beganAt = performance.now()
  const { project } = workload
  const engine = workload.kind === 'containers' ? await options.engine() : null
  const environment = { DARUMA_CHECKPOINTS: driver.path, ...engine?.environment }
  const common = { witness, launcher: gates.launcher, environment }
  const isShared = hasNeighbour(round)
  await using machine = new Machine({ ...common, project, ...(isShared ? { name: usualProject } : {}) })
  await using beside = isShared ? await makeNeighbour(machine, round, common) : null
  const neighbour = beside?.neighbour ?? null
  await witness.watch(machine.state, workload.name(''))
  try {
    await machine.up(workload.services('first'))
    await neighbour?.begin()
    await machine.waitUntilSettled()
    // Else its silence would prove nothing: whom the faults aim at, it has seen.
    for (const slot of new Set([workload.target, ...workload.builtIn])) {
      const seen = slot.startsWith('@') ? workload.name(slot) : slot
      await witness.waitFor(seen, (live) => live.some((copy) => copy.slot === seen), 5000)
    }
    const before = occupants(machine, workload)
    const note = (what: string): void => void notes.push(what)
    const scenario = scenarios[name]
    assert.ok(scenario !== undefined)
    const suffering = neighbour?.suffer(seededRandom(`${seed}/${round}/neighbour`), note)
    if (ofEngines.includes(name)) neighbour?.excuseContainers()
    const [{ mustBeAdopted, value }] = await Promise.all([
      scenario({ machine, workload, driver, gates, engine, random, note }),
      suffering,
    ])
    await machine.waitFor(
      'everything desired runs again',
      (status) => isSettled(status) && missing(machine, workload, value).length === 0,
      settleLimitMs,
    )
    await workload.prove(machine)
    if (mustBeAdopted)
      assert.deepEqual(occupants(machine, workload), before, 'an instance that nobody touched is another one now')
    await proveIdle(machine)
    await neighbour?.proveWell(settleLimitMs)
    await neighbour?.outlive({ machine, workload }, value, random, note)
    assert.deepEqual(await violationsOf(witness), [])
    await witness.examine()
  } catch (error) {
    await violationsOf(witness).catch(() => [])
    const how = `node test/faults/run.ts --seed ${seed} --round ${round}`
    const report = await machine.report().catch(() => '')
    const other = (await beside?.machine.report().catch(() => '')) ?? ''
    throw new Error(
      `round ${round} of seed ${seed} failed: ${name}, ${workload.kind}\n  ${notes.join('\n  ')}\nreplay: ${how}\n${(error as Error).message}\n${report}\n${other}`,
      { cause: error },
    )
  }
  return {
    round,
    scenario: name,
    workload: `${workload.kind}${isShared ? ' ×2' : ''}`,
    durationMs: performance.now() - beganAt,
    notes,
  }
}

interface Beside extends AsyncDisposable {
  readonly machine: Machine
  readonly neighbour: Neighbour
}

/** In the same state, with a folder and a config of its own. */
async function makeNeighbour({ state }: Machine, round: number, common: MachineOptions): Promise<Beside> {
  const workload = await workloadOf(round)
  const machine = new Machine({ ...common, state, project: workload.project, name: neighbourName })
  const neighbour = new Neighbour({ machine, workload })
  return { machine, neighbour, [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose]() }
}
