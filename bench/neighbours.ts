/**
 * What a project notices of another one that is in trouble: a project of 20 healthy services by itself, and the same one beside a project whose
 * 5,000 services all end as soon as they have begun, while these come up and when all of them crash-loop. What has no other project beside it
 * is the measure; a run on a machine that is busy with other things says nothing about either.
 */

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusAnswer } from '../src/protocol/api.ts'
import { Machine } from '../test/daemon-harness.ts'
import { signalProcess, until } from '../test/processes.ts'
import { askDaemon } from '../test/socket.ts'
import type { FirstActions } from './first-actions.ts'
import { cpuSecondsOf, percentile, reportOne, type Row } from './measure.ts'
import { openBench } from './side-by-side.ts'

const healthyCount = 20
const crashingCount = Number(process.env['BENCH_CRASHING'] ?? 5000)
/** Each healthy service has proven itself again before its next turn to be killed. */
const kills = 80
const restMs = 250
const ups = 10
/** Of what the same takes without the other project. */
const worst = 1.5
const comingUpLimitMs = 1_800_000

interface Observation {
  readonly respawnMs: readonly number[]
  readonly upMs: readonly number[]
  /** Of the daemon, in percent of one core. */
  readonly cpuPercent: number
}

export async function neighbours(): Promise<readonly Row[]> {
  using bench = openBench()
  await using machine = new Machine({ name: 'healthy' })
  await using other = new Machine({ name: 'crashing', state: machine.state })
  const begun = bench.actions.next(healthyCount, 120_000)
  await machine.up(healthyServices(bench.actions.path, 0))
  await begun
  await sleep(5000)
  const alone = await observe(machine, bench.actions)
  other.writeConfigText(crashingConfig)
  // It would wait for an hour for services that never get up: the daemon goes on with it alone.
  const up = other.start(['up', '--yes'])
  await until('the other project is accepted', 300_000, async () => (await revisionOf(other)) > 0, 500)
  const comingUp = await observe(machine, bench.actions)
  await until('all of the other project have begun', comingUpLimitMs, () => haveAllBegun(other), 5000)
  up.child.kill('SIGKILL')
  await up.outcome
  const beside = await observe(machine, bench.actions)
  return [
    ...rowsOf('respawn p50', alone, comingUp, beside, ({ respawnMs }) => percentile(respawnMs, 50)),
    ...rowsOf('respawn p90', alone, comingUp, beside, ({ respawnMs }) => percentile(respawnMs, 90)),
    ...rowsOf('up of a change, p50', alone, comingUp, beside, ({ upMs }) => percentile(upMs, 50)),
    reportOne('daemon, CPU of one core, alone', alone.cpuPercent, '%', null),
    reportOne('daemon, CPU of one core, while they come up', comingUp.cpuPercent, '%', null),
    reportOne(`daemon, CPU of one core, beside ${crashingCount} that crash-loop`, beside.cpuPercent, '%', null),
  ]
}

function rowsOf(
  name: string,
  alone: Observation,
  comingUp: Observation,
  beside: Observation,
  pick: (seen: Observation) => number,
): readonly Row[] {
  const base = pick(alone)
  const row = (what: string, seen: Observation): Row => {
    const aimed = reportOne(`${name}, ${what}`, pick(seen), 'ms', { target: worst * base, goal: 'at most' })
    return { ...aimed, against: 'alone', ratio: base / aimed.value }
  }
  return [
    reportOne(`${name}, alone`, base, 'ms', null),
    row(`while ${crashingCount} come up`, comingUp),
    row(`beside ${crashingCount} that crash-loop`, beside),
  ]
}

async function observe(machine: Machine, actions: FirstActions): Promise<Observation> {
  const daemon = machine.find('daemon')
  const [cpuBefore, beganAt] = [cpuSecondsOf(daemon), performance.now()]
  const respawnMs: number[] = []
  for (let kill = 0; kill < kills; kill += 1) {
    await sleep(restMs)
    respawnMs.push(await killOnce(machine, `service-${kill % healthyCount}/0`, actions))
  }
  const upMs: number[] = []
  for (let change = 1; change <= ups; change += 1) {
    machine.writeConfig(healthyServices(actions.path, change))
    const upAt = performance.now()
    await machine.up()
    upMs.push(performance.now() - upAt)
  }
  const cpuPercent = ((cpuSecondsOf(daemon) - cpuBefore) / (performance.now() - beganAt)) * 100_000
  return { respawnMs, upMs, cpuPercent }
}

async function killOnce(machine: Machine, slot: string, actions: FirstActions): Promise<number> {
  const [program] = machine.find('instance', slot)
  if (program === undefined) throw new Error(`nothing runs in ${slot}`)
  const back = actions.next(1, 60_000)
  const killedAt = performance.now()
  if (!signalProcess(program, 'SIGKILL')) throw new Error(`${slot} was gone before it was killed`)
  return (await back) - killedAt
}

/** Only the last one changes with `change`. */
function healthyServices(firstAction: string, change: number): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  const names = Array.from({ length: healthyCount }, (_, index) => `service-${index}`)
  return Object.fromEntries(
    names.map((name, index) => [
      name,
      {
        command: [join(import.meta.dirname, 'peers/first-action.sh')],
        environment: { FIRST_ACTION: firstAction, CHANGE: String(index === healthyCount - 1 ? change : 0) },
        singleton: true,
        restart: { resetAfter: '2s' },
        update: { minReady: '100ms' },
      },
    ]),
  )
}

const crashingConfig = `
const services = {}
for (let index = 0; index < ${crashingCount}; index += 1)
  services['service-' + index] = { command: ['/bin/false'], singleton: true, restart: { budget: 1000 }, update: { deadline: '1d' } }
export default define({ name: 'crashing', services })`

async function revisionOf(machine: Machine): Promise<number> {
  const projects = await askDaemon<readonly { readonly id: string }[]>(machine.state, '/v1/projects')
  return projects?.some(({ id }) => id === machine.name) === true ? 1 : 0
}

async function haveAllBegun(machine: Machine): Promise<boolean> {
  const status: StatusAnswer | null = await machine.status()
  return status !== null && status.instances.filter(({ epoch }) => epoch !== null).length === crashingCount
}
