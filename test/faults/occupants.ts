/** Who runs in a project's slots: from the kernel, not from the daemon, because it is the daemon that is examined. */

import type { Machine } from '../daemon-harness.ts'
import { environmentOf, identify, type ProcessId } from '../processes.ts'
import type { Workload } from './workload.ts'

export interface Occupant {
  readonly slot: string
  readonly epoch: string | undefined
  readonly process: ProcessId
}

export function occupants(machine: Machine, workload: Workload): readonly Occupant[] {
  const own = Object.keys(workload.services('')).flatMap((service) => [0, 1, 2, 3, 4].map((index) => `${service}/${index}`))
  return [...own, ...workload.builtIn].flatMap((slot) => {
    const [process] = machine.find('instance', slot)
    return process === undefined ? [] : [{ slot, epoch: environmentOf(process.pid)['DARUMA_EPOCH'], process }]
  })
}

/** Services with fewer running instances of the wanted value than were asked for. */
export function missing(machine: Machine, workload: Workload, value: string): readonly string[] {
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
