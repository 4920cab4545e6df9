/** One round: a fresh machine, one scenario, and everything that must be true afterwards. */

import assert from 'node:assert/strict'
import type { CheckpointDriver } from '../checkpoint-driver.ts'
import { isSettled, Machine } from '../daemon-harness.ts'
import type { LabEngine } from '../engine/lab-engine.ts'
import type { GatedPackage } from '../keeper-gates.ts'
import { environmentOf, identify, type ProcessId } from '../processes.ts'
import { pick, seededRandom } from '../seeded-random.ts'
import { violationsOf } from '../witness/index.ts'
import type { Witness } from '../witness/index.ts'
import { scenarios, scenariosFor } from './scenarios.ts'
import { workloadOf, type Workload } from './workload.ts'

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
  await using machine = new Machine({ witness, launcher: gates.launcher, environment, project })
  await witness.watch(machine.state, workload.name(''))
  try {
    await machine.up(workload.services('first'))
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
    const { mustBeAdopted, value } = await scenario({ machine, workload, driver, gates, engine, random, note })
    await machine.waitFor(
      'everything desired runs again',
      (status) => isSettled(status) && missing(machine, workload, value).length === 0,
      settleLimitMs,
    )
    await workload.prove(machine)
    if (mustBeAdopted)
      assert.deepEqual(occupants(machine, workload), before, 'an instance that nobody touched is another one now')
    assert.deepEqual(await violationsOf(witness), [])
    await witness.examine()
  } catch (error) {
    await violationsOf(witness).catch(() => [])
    const how = `node test/faults/run.ts --seed ${seed} --round ${round}`
    const story = await machine.story().catch(() => '')
    throw new Error(
      `round ${round} of seed ${seed} failed: ${name}, ${workload.kind}\n  ${notes.join('\n  ')}\nreplay: ${how}\n${(error as Error).message}\n${story}`,
      { cause: error },
    )
  }
  return { round, scenario: name, workload: workload.kind, durationMs: performance.now() - beganAt, notes }
}

interface Occupant {
  readonly slot: string
  readonly epoch: string | undefined
  readonly process: ProcessId
}

/** From the kernel, not from the daemon: it is the daemon that is examined. */
function occupants(machine: Machine, workload: Workload): readonly Occupant[] {
  const own = Object.keys(workload.services('')).flatMap((service) => [0, 1, 2, 3, 4].map((index) => `${service}/${index}`))
  return [...own, ...workload.builtIn].flatMap((slot) => {
    const [process] = machine.find('instance', slot)
    return process === undefined ? [] : [{ slot, epoch: environmentOf(process.pid)['DARUMA_EPOCH'], process }]
  })
}

/** Services with fewer running instances of the wanted value than were asked for. */
function missing(machine: Machine, workload: Workload, value: string): readonly string[] {
  const running = occupants(machine, workload).filter(
    ({ process }) => identify(process.pid) !== null && environmentOf(process.pid)['VALUE'] === value,
  )
  return Object.entries(workload.services(value)).flatMap(([service, { replicas, schedule }]) => {
    // The runs of a schedule come and go.
    if (schedule !== undefined) return []
    const count = running.filter(({ slot }) => slot.startsWith(`${service}/`)).length
    return count === ((replicas as number | undefined) ?? 1) ? [] : [service]
  })
}
