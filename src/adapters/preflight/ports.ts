/** The ports that a service needs of this host, against those that somebody listens on (proc_pid_net(5)). */

import type { Project, Service } from '../../core/model/service.ts'
import { holdersOf, nameOf, readListening, type Listening } from '../../system/port-holder.ts'
import { observeProcess } from '../../system/process-stat.ts'

export interface WantedPort {
  readonly port: number
  /** What for, after the number: "", " (of a route)". */
  readonly purpose: string
  /** The address that will be bound; null where only the program knows. */
  readonly address: string | null
}

export interface PortTable {
  /** Null when it is free, or held by an instance of ours. */
  explain(wanted: WantedPort): string | null
}

export function portsOf({ port, routes }: Service, { balancer }: Project): readonly WantedPort[] {
  const own = port.kind === 'fixed' ? [{ port: port.port, purpose: '', address: null }] : []
  const routed = routes.flatMap(({ to, tls }) =>
    to.kind === 'port' ? [to.port] : [balancer.httpPort, ...(tls.kind === 'none' ? [] : [balancer.httpsPort])],
  )
  return [...own, ...[...new Set(routed)].map((each) => ({ port: each, purpose: ' (of its route)', address: balancer.address }))]
}

export function readPorts(ownPids: readonly number[]): PortTable {
  const listening = readListening()
  const own = new Set(ownPids)
  return {
    explain({ port, purpose, address }) {
      const there = listening.filter((each) => each.port === port && meets(each, address))
      if (there.length === 0) return null
      const holders = holdersOf(there)
      if (holders.some((pid) => isBelow(pid, own))) return null
      const [first] = holders
      const who = first === undefined ? 'a process of another user' : nameOf(first)
      return `port ${port}${purpose} is held by ${who}`
    },
  }
}

const loopback = new Set(['0100007F', '00000000000000000000000001000000'])

/** Two sockets exclude each other on the same address, and where one of them is bound to all. */
function meets({ address: held }: Listening, wanted: string | null): boolean {
  if (held === '*') return true
  // A program mostly binds all addresses, or loopback.
  if (wanted === null) return loopback.has(held)
  return wanted === '*' || wanted === '0.0.0.0' || wanted === '::' || hexOf(wanted) === held
}

/** As /proc/net/tcp has an IPv4 address: the bytes of a word of the host, which is little-endian wherever we run. */
function hexOf(address: string): string | null {
  const parts = address.split('.').map(Number)
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) return null
  return parts
    .toReversed()
    .map((part) => part.toString(16).padStart(2, '0'))
    .join('')
    .toUpperCase()
}

const deepest = 64

/** Whether one of `ancestors` is the process or above it. */
function isBelow(pid: number, ancestors: ReadonlySet<number>): boolean {
  let at = pid
  for (let depth = 0; depth < deepest && at > 1; depth += 1) {
    if (ancestors.has(at)) return true
    at = observeProcess(at)?.parent ?? 0
  }
  return false
}
