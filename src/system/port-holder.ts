/** Who listens on a port, from /proc alone: never by trying, because a moment's listening of ours could swallow somebody's connection. */

import { basename } from 'node:path'
import { readLink, readNames, readText } from './read-quietly.ts'

export interface Listening {
  /** As /proc/net/tcp has it; `*` for all addresses. */
  readonly address: string
  readonly port: number
  readonly inode: string
}

/** `nginx (pid 812)`; null where nobody is found: it may be another user's. */
export function portHolder(port: number): string | null {
  const pid = holdersOf(readListening().filter((each) => each.port === port))[0]
  return pid === undefined ? null : nameOf(pid)
}

export function readListening(): readonly Listening[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap(readTable)
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

/** Those of this user, or all for root. */
export function holdersOf(sockets: readonly Pick<Listening, 'inode'>[]): readonly number[] {
  if (sockets.length === 0) return []
  const links = new Set(sockets.map(({ inode }) => `socket:[${inode}]`))
  return readNames('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => readNames(`/proc/${pid}/fd`).some((fd) => links.has(readLink(`/proc/${pid}/fd/${fd}`))))
    .map(Number)
}

/** `nginx (pid 812)`. */
export function nameOf(pid: number): string {
  const program = basename(readText(`/proc/${pid}/cmdline`).split('\0')[0] ?? '')
  return `${program || readText(`/proc/${pid}/comm`).trim()} (pid ${pid})`
}
