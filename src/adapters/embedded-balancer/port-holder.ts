/** Who listens on a port, from /proc alone, for the message that says why we cannot. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'

/** `nginx (pid 812)`; null where it cannot be known, because it is another user's. */
export function portHolder(port: number): string | null {
  const links = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listening(table, port)))
  if (links.size === 0) return null
  for (const pid of names('/proc').filter((name) => /^\d+$/.test(name))) {
    const holds = names(`/proc/${pid}/fd`).some((descriptor) => links.has(link(`/proc/${pid}/fd/${descriptor}`)))
    if (holds) return `${basename(text(`/proc/${pid}/cmdline`).split('\0')[0] ?? '')} (pid ${pid})`
  }
  return null
}

/** What a descriptor of such a socket links to. */
function listening(table: string, port: number): string[] {
  const state = '0A'
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return text(table)
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === state && fields[1]?.endsWith(wanted) === true)
    .map((fields) => `socket:[${fields[9]}]`)
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
