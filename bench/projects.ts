/**
 * What 50 idle programs cost in one project and in ten projects of one daemon: memory of the daemon with what reads the logs and the supervisor,
 * the pages that they share with others counted in shares, and their CPU; and what stands by in each project for the next start.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { Machine } from '../test/daemon-harness.ts'
import { allPids, commandLine, identify, type ProcessId } from '../test/processes.ts'
import { cpuSecondsOf, memoryOf, reportOne, type Row } from './measure.ts'

const instances = 50
const windowSeconds = 60
/** After the start: what the start needed has been given back. */
const settleMs = 10_000

const targets = { 1: 100, 10: 110 } as const
const mostCpuPercent = 0.5

export async function projects(): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const count of [1, 10] as const) {
    const seen = await observe(count)
    const where = count === 1 ? 'in 1 project' : `in ${count} projects`
    rows.push(
      reportOne(`daemon with what reads the logs, ${instances} programs ${where}, proportional`, seen.memory, 'MB', {
        target: targets[count],
        goal: 'below',
      }),
      reportOne(`the same, CPU of one core`, seen.cpuPercent, '%', { target: mostCpuPercent, goal: 'below' }),
      reportOne(`the daemon alone, proportional`, seen.daemon, 'MB', null),
      reportOne(`keepers that stand by, and what makes them, proportional`, seen.standingBy, 'MB', null),
    )
  }
  return rows
}

interface Observation {
  readonly memory: number
  readonly daemon: number
  readonly standingBy: number
  readonly cpuPercent: number
}

async function observe(count: number): Promise<Observation> {
  const [first, ...others] = makeMachines(count)
  if (first === undefined) throw new Error('there is no project')
  try {
    const replicas = instances / count
    for (const machine of [first, ...others]) await machine.up({ idle: { command: ['sleep', '1000000'], replicas } })
    await sleep(settleMs)
    const companions = (): readonly ProcessId[] =>
      (['daemon', 'supervisor', 'collector'] as const).flatMap((role) => first.find(role))
    const watched = companions()
    const before = cpuSecondsOf(watched)
    await sleep(windowSeconds * 1000)
    const cpuPercent = ((cpuSecondsOf(watched) - before) / windowSeconds) * 100
    return {
      memory: memoryOf(watched).proportional,
      daemon: memoryOf(first.find('daemon')).proportional,
      standingBy: memoryOf(standingBy([first, ...others])).proportional,
      cpuPercent,
    }
  } finally {
    for (const machine of [...others, first]) await machine[Symbol.asyncDispose]()
  }
}

function makeMachines(count: number): readonly Machine[] {
  const first = new Machine({ name: 'project-0' })
  const others = Array.from(
    { length: count - 1 },
    (_, index) => new Machine({ name: `project-${index + 1}`, state: first.state }),
  )
  return [first, ...others]
}

/** Of all that is a keeper by its words, what is the keeper of no instance. */
function standingBy(machines: readonly Machine[]): readonly ProcessId[] {
  const [first] = machines
  const inUse = new Set(machines.flatMap((machine) => machine.find('keeper')).map(({ pid }) => pid))
  return allPids().flatMap((pid) => {
    const words = commandLine(pid)
    const isOurs = words.some(
      (word) => first !== undefined && word.startsWith(`${first.state}/`) && /\/keeper-[0-9a-f]+/.test(word),
    )
    const id = isOurs && !inUse.has(pid) ? identify(pid) : null
    return id === null ? [] : [id]
  })
}
