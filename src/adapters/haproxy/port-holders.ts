/**
 * Who listens where, from /proc alone: asking for a listener that somebody else has would make HAProxy refuse the whole config, so
 * it is found out before, and never by trying, because a moment's listening of ours could swallow somebody's connection.
 */

import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import type { Listener } from '../../core/balance/table.ts'
import type { TakenPort } from './errors.ts'

interface Listening {
  /** As /proc/net/tcp has it; `*` for all addresses. */
  readonly address: string
  readonly port: number
  readonly inode: string
}

/** The listeners that cannot be had: held by processes for which `isOurs` is false, or below what this user may bind. */
export function findTaken(
  listeners: readonly Listener[],
  address: string,
  isOurs: (pid: number) => boolean,
): readonly TakenPort[] {
  const held = [...readTable('/proc/net/tcp'), ...readTable('/proc/net/tcp6')]
  return listeners.flatMap(({ port }): TakenPort[] => {
    if (!mayBind(port)) return [{ port, by: 'only root may listen below port 1024' }]
    const inodes = held.filter((each) => each.port === port && overlaps(each.address, address)).map(({ inode }) => inode)
    if (inodes.length === 0) return []
    const pids = holdersOf(new Set(inodes))
    if (pids.some(isOurs)) return []
    return [{ port, by: pids.length === 0 ? 'another user’s process has it' : `${describe(pids[0] ?? 0)} has it` }]
  })
}

function readTable(file: string): readonly Listening[] {
  const isListening = '0A'
  return readText(file)
    .split('\n')
    .slice(1)
    .flatMap((line): Listening[] => {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
      if (state !== isListening) return []
      const [address = '', port = ''] = local.split(':')
      return [{ address: /^0+$/.test(address) ? '*' : address, port: Number.parseInt(port, 16), inode }]
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

function holdersOf(inodes: ReadonlySet<string>): readonly number[] {
  const links = new Set([...inodes].map((inode) => `socket:[${inode}]`))
  return readNames('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => readNames(`/proc/${pid}/fd`).some((fd) => links.has(readLink(`/proc/${pid}/fd/${fd}`))))
    .map(Number)
}

const describe = (pid: number): string =>
  `${basename(readText(`/proc/${pid}/cmdline`).split('\0')[0] ?? '') || readText(`/proc/${pid}/comm`).trim()} (pid ${pid})`

/** Whether the process works in the directory as the program: HAProxy's master and all of its workers do. */
export function worksIn(directory: string, program: string, pid: number): boolean {
  return readLink(`/proc/${pid}/cwd`) === directory && readText(`/proc/${pid}/cmdline`).split('\0')[0] === program
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function readNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
