/**
 * The kinds of trouble. Each scenario inflicts something at moments drawn from the round's own randomness and leaves the machine to
 * itself; the round then demands that all is as it should be. Only hooks decide where something happens: between which
 * two effects of the daemon, at which line of the keeper.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CheckpointDriver } from '../checkpoint-driver.ts'
import type { Machine } from '../daemon-harness.ts'
import type { Role } from '../companions.ts'
import type { LabEngine } from '../engine/lab-engine.ts'
import type { GatedPackage } from '../keeper-gates.ts'
import { isAlive, signalProcess, until } from '../processes.ts'
import { pick, type SeededRandom } from '../seeded-random.ts'
import type { Workload, WorkloadKind } from './workload.ts'

export interface Field {
  readonly machine: Machine
  readonly workload: Workload
  readonly driver: CheckpointDriver
  readonly gates: GatedPackage
  /** Null where the workload has no containers. */
  readonly engine: LabEngine | null
  readonly random: SeededRandom
  /** Told with a failure: what was done, in order. */
  readonly note: (what: string) => void
}

export interface Aftermath {
  /** Nothing that runs may have been touched: the same pids, start times and epochs as before. */
  readonly mustBeAdopted: boolean
  /** The value that must be applied at the end; null when either of two is right until the next `up`. */
  readonly value: string
}

export type Scenario = (field: Field) => Promise<Aftermath>

const overhead = ['daemon', 'supervisor', 'collector'] as const
const everybody: readonly Role[] = ['instance', 'keeper', ...overhead]

/** How many checkpoints a change passes is not known beforehand; the hold is given up when this one is never reached. */
const checkpointLimitMs = 4000

export const scenarios: Readonly<Record<string, Scenario>> = {
  /** One or two of them, at rest. */
  'kill at rest': async (field) => {
    const victims = draw(field.random, everybody)
    await killAll(field, victims)
    return { mustBeAdopted: !victims.includes('instance') && !victims.includes('keeper'), value: 'first' }
  },

  /** The instance is killed, and while the daemon brings it back somebody else, between two effects of the daemon. */
  'kill at a checkpoint': async (field) => {
    const { machine, workload, driver, random } = field
    const steps = 1 + Math.floor(random() * 6)
    const victims = draw(random, everybody)
    let passed = 0
    const held = driver.holdAt(() => (passed += 1) === steps, checkpointLimitMs).catch(() => null)
    await machine.kill('instance', workload.target)
    const arrival = await held
    field.note(arrival === null ? `checkpoint ${steps} was not reached` : `held at ${arrival.point}`)
    await killAll(field, victims)
    arrival?.go()
    return { mustBeAdopted: false, value: 'first' }
  },

  /** The same during a change of the config, which the command must see through or the next one complete. */
  'kill at a checkpoint of a change': async (field) => {
    const { machine, workload, driver, random } = field
    const steps = 1 + Math.floor(random() * 14)
    const victims = draw(random, everybody)
    let passed = 0
    const held = driver.holdAt(() => (passed += 1) === steps, checkpointLimitMs).catch(() => null)
    machine.writeConfig(workload.services('second'))
    const up = machine.start(['up', '--yes'])
    const arrival = await held
    field.note(arrival === null ? `checkpoint ${steps} was not reached` : `held at ${arrival.point}`)
    await killAll(field, victims)
    arrival?.go()
    if (random() < 0.5) up.child.kill('SIGKILL')
    await up.outcome
    return finishChange(field)
  },

  /** A keeper stands between two of its lines while it, the daemon, or both are killed, or a newer daemon takes over. */
  'kill at a line of the keeper': async (field) => {
    const { machine, workload, gates, random } = field
    const point = pick(
      random,
      gates.points.filter((name) => !['ended', 'recorded'].includes(name)),
    )
    const victims = pick<readonly ('keeper' | (typeof overhead)[number])[]>(random, [
      ['keeper'],
      ['daemon'],
      ['keeper', 'daemon'],
      ['daemon', 'supervisor'],
    ])
    const gate = gates.close(point)
    try {
      await machine.kill('instance', workload.target)
      const arrival = await gate.arrival(10_000)
      field.note(`keeper of epoch ${arrival.epoch} held at ${point}; killing ${victims.join(' and ')}`)
      if (victims.includes('keeper')) signalProcess(arrival.keeper, 'SIGKILL')
      for (const role of victims) if (role !== 'keeper') await machine.kill(role)
      await sleep(random() * 1500)
    } finally {
      gate.open()
    }
    return { mustBeAdopted: false, value: 'first' }
  },

  /** Where an end is recorded: the keeper is held between its command's end and the record, or just after, and perhaps killed. */
  'kill while an end is recorded': async (field) => {
    const { machine, workload, gates, random } = field
    const point = pick(
      random,
      gates.points.filter((name) => ['ended', 'recorded'].includes(name)),
    )
    const gate = gates.close(point)
    // A daemon that saw the record would end the keeper before it came to its last line.
    await machine.kill('daemon', undefined, 'SIGSTOP')
    try {
      await machine.kill('instance', workload.target)
      const arrival = await gate.arrival(10_000)
      field.note(`keeper of epoch ${arrival.epoch} held at ${point}`)
      if (random() < 0.5) await killAll(field, ['daemon'])
      if (random() < 0.5) {
        field.note('killing the keeper')
        signalProcess(arrival.keeper, 'SIGKILL')
      }
    } finally {
      gate.open()
      await machine.kill('daemon', undefined, 'SIGCONT')
    }
    return { mustBeAdopted: false, value: 'first' }
  },

  'stop and continue': async (field) => {
    const { machine, workload, random } = field
    const stopped = pick(random, ['instance', 'daemon'] as const)
    const slot = stopped === 'instance' ? workload.target : undefined
    const sleepers = machine.find(stopped, slot)
    for (const id of sleepers) signalProcess(id, 'SIGSTOP')
    const victim =
      random() < 0.5 ? null : stopped === 'daemon' ? pick(random, ['instance', 'supervisor'] as const) : pick(random, overhead)
    field.note(`${stopped} stopped${victim === null ? '' : `, ${victim} killed meanwhile`}`)
    if (victim !== null) await machine.kill(victim, victim === 'instance' ? workload.target : undefined)
    await sleep(300 + random() * 1000)
    for (const id of sleepers) signalProcess(id, 'SIGCONT')
    return { mustBeAdopted: victim !== 'instance', value: 'first' }
  },

  'up killed at a random moment': async (field) => {
    const { machine, workload, random } = field
    machine.writeConfig(workload.services('second'))
    const up = machine.start(['up', '--yes'])
    const pauseMs = random() * 700
    await sleep(pauseMs)
    up.child.kill('SIGKILL')
    await up.outcome
    field.note(`up killed after ${Math.round(pauseMs)} ms`)
    if (random() < 0.3) await killAll(field, draw(random, everybody))
    return finishChange(field)
  },

  'change under fire': async (field) => {
    const { machine, workload, random } = field
    machine.writeConfig(workload.services('second'))
    const up = machine.start(['up', '--yes'])
    const shots = 1 + Math.floor(random() * 3)
    for (let shot = 0; shot < shots; shot += 1) {
      await sleep(random() * 400)
      await killAll(field, [pick(random, ['instance', 'keeper', 'daemon', 'supervisor'] as const)])
    }
    const { code } = await up.outcome
    field.note(`up ended with ${code}`)
    return finishChange(field)
  },

  /** Killed, with somebody else perhaps, and started again by what looks after engines. */
  'the engine falls': async (field) => {
    const { engine, random, note } = field
    if (engine === null) throw new Error('there is no engine')
    await engine.kill()
    note('the engine is killed')
    if (random() < 0.7) await killAll(field, draw(random, ['instance', ...overhead]))
    await sleep(random() * 1500)
    await engine.run()
    return { mustBeAdopted: false, value: 'first' }
  },

  /** What was asked of it while it stood still, it does when it wakes up, late. */
  'the engine stands still': async (field) => {
    const { engine, machine, workload, random, note } = field
    if (engine === null) throw new Error('there is no engine')
    engine.signal('SIGSTOP')
    try {
      await machine.kill('instance', workload.target)
      note('the engine is stopped, and an instance killed')
      await sleep(random() * 3000)
      if (random() < 0.5) await killAll(field, draw(random, overhead))
      await sleep(random() * 3000)
    } finally {
      engine.signal('SIGCONT')
    }
    return { mustBeAdopted: false, value: 'first' }
  },

  /** Nobody is there when an instance ends: its exit code and its last lines must be told by anything that comes next. */
  'an end that nobody saw': async (field) => {
    const { machine, workload, random } = field
    const code = 2 + Math.floor(random() * 100)
    const flag = join(machine.workshop, 'config', 'flag')
    const teller = workload.name('teller')
    const slot = `${teller}/0`
    const service = {
      command: `while [ ! -e flag ]; do sleep 0.02; done; for i in 1 2 3 4 5; do echo "unseen $i"; done; exit ${code}`,
      singleton: true,
      restart: 'no',
      update: { minReady: '100ms' },
    }
    await machine.up({ ...workload.services('first'), [teller]: service })
    await machine.killDaemonForGood()
    field.note(`exit code ${code} while no daemon runs`)
    writeFileSync(flag, '')
    await machine.waitForNobody('instance', slot)
    const { stderr } = await machine.run(['status'])
    await until(`the end with code ${code} is told; ${stderr}`, 20_000, async () =>
      (await machine.events()).some(
        (event) => event.kind === 'exited' && event.slot === slot && event.message.includes(`exit code ${code}`),
      ),
    )
    for (const line of [1, 2, 3, 4, 5]) {
      if (!machine.log(slot).includes(`unseen ${line}\n`)) throw new Error(`line ${line} is lost: ${machine.log(slot)}`)
    }
    await machine.up(workload.services('first'))
    return { mustBeAdopted: true, value: 'first' }
  },
}

/** A container has no keeper, and only a container has an engine. */
const ofKeepers = ['kill at a line of the keeper', 'kill while an end is recorded']
export const ofEngines: readonly string[] = ['the engine falls', 'the engine stands still']

export function scenariosFor(kind: WorkloadKind): readonly string[] {
  const excluded = kind === 'containers' ? ofKeepers : ofEngines
  const possible = Object.keys(scenarios).filter((name) => !excluded.includes(name))
  if (kind !== 'containers') return possible
  // Rounds with containers are few, and what only they have must come often enough: every other of them is the engine's.
  const others = possible.filter((name) => !ofEngines.includes(name))
  return [...others, ...others.map((_, index) => ofEngines[index % ofEngines.length]!)]
}

/** The killed or failed change is completed by asking once more; until then either revision may be applied. */
async function finishChange({ machine, note }: Field): Promise<Aftermath> {
  const { code, stdout, stderr } = await machine.run(['up', '--yes', '--wait'], { limitMs: 90_000 })
  if (code !== 0) {
    note(`up ended with ${code}: ${stdout}${stderr}`)
    throw new Error('the change could not be completed')
  }
  return { mustBeAdopted: false, value: 'second' }
}

/** One alone as often as a pair. */
function draw(random: SeededRandom, roles: readonly Role[]): readonly Role[] {
  const first = pick(random, roles)
  const second = pick(random, roles)
  return random() < 0.5 || first === second ? [first] : [first, second]
}

async function killAll({ machine, workload, note }: Field, victims: readonly Role[]): Promise<void> {
  note(`killing ${victims.join(' and ')}`)
  // Of a schedule the run that is under way falls, too.
  const aim = workload.kind === 'scheduled' ? undefined : workload.target
  const found = victims.flatMap((role) => machine.find(role, role === 'instance' || role === 'keeper' ? aim : undefined))
  for (const id of found) signalProcess(id, 'SIGKILL')
  await until('the killed are gone', 5000, () => found.every((id) => !isAlive(id)), 2)
}
