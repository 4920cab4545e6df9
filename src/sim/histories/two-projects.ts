/**
 * One random history of two projects with services of the same names on one machine. What must hold for one project must hold for each of them;
 * beside it neither may see anything of the other: no event, no instance in its status, no port, no upstream, no record. What affects the
 * machine (its daemon, its disk, its database, its clock) affects both.
 */

import type { ProjectId } from '../../core/model/project-id.ts'
import type { Project } from '../../daemon/project.ts'
import { complaintsOf, History } from '../chaos.ts'
import { wordsOf } from '../kernel.ts'
import { SimulatedMachine } from '../machine.ts'
import { ownSlot, usual } from '../place.ts'

/** Its name begins with the other's: what compares by a prefix takes one for the other. */
const second = `${usual}-2` as ProjectId

/** What went wrong, in sentences; empty when all is well. */
export async function runSharedHistory(seed: number): Promise<readonly string[]> {
  const machine = new SimulatedMachine(seed)
  const histories = [new History(machine), new History(machine, second)]
  await machine.begin()
  const steps = 20 + machine.random.below(30)
  for (let step = 0; step < steps; step += 1) await machine.random.pick(histories).happen()
  for (const history of histories) await history.endWell()
  const mixed = await findMixed(machine)
  for (const history of histories) await history.checkAdoption()
  return [...complaintsOf(machine, histories), ...mixed]
}

async function findMixed(machine: SimulatedMachine): Promise<readonly string[]> {
  const projects = machine.daemon?.projects.list() ?? []
  const ids = projects.map(({ id }) => id)
  const complaints = ids.join() === [usual, second].join() ? [] : [`the projects are ${ids.join(', ')}`]
  for (const project of projects) complaints.push(...(await findForeign(machine, project)))
  const unnamed = (await machine.storedKeys()).filter((key) => /^(?:slot|revision|event)\//.test(key))
  // What has no project's prefix is the machine's own, which has the balancer and no revision.
  const foreign = unnamed.filter((key) => !/^(?:slot\/@|event\/)/.test(key))
  return [...complaints, ...foreign.map((key) => `${key} belongs to no project`)]
}

async function findForeign({ kernel, daemon }: SimulatedMachine, project: Project): Promise<readonly string[]> {
  const isOwn = (pid: number): boolean => {
    const slot = kernel.slotOfPid.get(pid)
    return slot === undefined || ownSlot(project.place, slot) !== null
  }
  const events = (await project.events.read(0, 100_000)).flatMap(({ kind, slot, message }) => {
    const pid = /\bpid (\d+)/.exec(message)?.[1]
    return pid === undefined || slot === null || isOwn(Number(pid)) ? [] : [`${project.id} is told ${kind} ${slot}: ${message}`]
  })
  const shown = (daemon?.status(project).instances ?? []).flatMap(({ slot, pid }) =>
    pid === null || slot.startsWith('@') || isOwn(pid) ? [] : [`${project.id} shows ${slot} with pid ${pid}`],
  )
  const running = kernel
    .running()
    .filter(({ order }) => ownSlot(project.place, order.slot) !== null)
    .filter(({ order }) => (wordsOf(order).at(-1) ?? '').startsWith(`${second}-`) !== (project.id === second))
    .map(({ order }) => `${order.slot} of ${project.id} runs ${wordsOf(order).join(' ')}`)
  return [...events, ...shown, ...running]
}
