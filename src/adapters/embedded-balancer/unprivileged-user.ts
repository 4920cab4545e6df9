/**
 * Whom the worker becomes. Nothing is created: a number without a name is a user like any other, and owns no file. 65520 to 65533 are
 * those that neither distributions nor systemd give out (https://systemd.io/UIDS-GIDS/, Debian policy 9.2.2); `nobody` is shared by
 * everybody who had no better idea.
 */

import { readFileSync } from 'node:fs'

const first = 65_520
const last = 65_533

/** User and group id: the first of the range that has no name on this machine. */
export function unprivilegedId(names: string = readNames()): number {
  const taken = new Set(names.split('\n').map((line) => Number(line.split(':')[2])))
  for (let id = last; id > first; id -= 1) if (!taken.has(id)) return id
  return first
}

function readNames(): string {
  return ['/etc/passwd', '/etc/group'].map(readIfThere).join('\n')
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** Irrevocably, for all threads of this process; asserts that it was. */
export function becomeUnprivileged(id: number): void {
  process.setgroups?.([])
  process.setgid?.(id)
  process.setuid?.(id)
  if (process.geteuid?.() !== id || process.getegid?.() !== id || mayReturn())
    throw new Error('the privileges could not be dropped')
}

function mayReturn(): boolean {
  try {
    process.setuid?.(0)
    return true
  } catch {
    return false
  }
}
