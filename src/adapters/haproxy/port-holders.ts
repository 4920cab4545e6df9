/**
 * The ports that HAProxy could not have: asking for a listener that somebody else has would make it refuse the whole config, so it is
 * found out before.
 */

import type { Listener } from '../../core/balance/table.ts'
import { holdersOf, nameOf, readListening } from '../../system/port-holder.ts'
import { readLink, readText } from '../../system/read-quietly.ts'
import type { TakenPort } from './errors.ts'

/** The listeners that cannot be had: held by processes for which `isOurs` is false, or below what this user may bind. */
export function findTaken(
  listeners: readonly Listener[],
  address: string,
  isOurs: (pid: number) => boolean,
): readonly TakenPort[] {
  const held = readListening()
  return listeners.flatMap(({ port }): TakenPort[] => {
    if (!mayBind(port)) return [{ port, by: 'only root may listen below port 1024' }]
    const sockets = held.filter((each) => each.port === port && overlaps(each.address, address))
    if (sockets.length === 0) return []
    const [first, ...others] = holdersOf(sockets)
    if (first === undefined) return [{ port, by: 'another user’s process has it' }]
    return [first, ...others].some(isOurs) ? [] : [{ port, by: `${nameOf(first)} has it` }]
  })
}

function overlaps(held: string, wanted: string): boolean {
  if (held === '*' || wanted === '*' || wanted === '::' || wanted === '0.0.0.0') return true
  // An address of IPv6 is not told apart from another: rather a port too many is called taken than a config refused.
  if (wanted.includes(':')) return held.length === 32
  const octets = wanted.split('.').map((octet) => Number(octet).toString(16).padStart(2, '0').toUpperCase())
  return held.endsWith(octets.toReversed().join(''))
}

function mayBind(port: number): boolean {
  if (process.getuid === undefined || process.getuid() === 0) return true
  const first = Number(readText('/proc/sys/net/ipv4/ip_unprivileged_port_start') || 1024)
  return port >= first
}

/** Whether the process works in the directory as the program: HAProxy's master and all of its workers do. */
export function worksIn(directory: string, program: string, pid: number): boolean {
  return readLink(`/proc/${pid}/cwd`) === directory && readText(`/proc/${pid}/cmdline`).split('\0')[0] === program
}
