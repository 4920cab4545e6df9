/** Looks a user up by name or number, through the system's own databases (getent: LDAP and the like included). */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface SystemUser {
  readonly uid: number
  readonly gid: number
  readonly home: string
}

/** Null when there is no such user. */
export function lookUpUser(user: string): SystemUser | null {
  const line = passwdLine(user)
  if (line === null) return null
  const [, , uid, gid, , home] = line.split(':')
  return { uid: Number(uid), gid: Number(gid), home: home ?? '/' }
}

function passwdLine(user: string): string | null {
  const isMatch = (line: string): boolean => {
    const [name, , uid] = line.split(':')
    return name === user || uid === user
  }
  try {
    const found = readFileSync('/etc/passwd', 'utf8').split('\n').find(isMatch)
    if (found !== undefined) return found
  } catch {
    // No passwd file: the system's databases are asked below.
  }
  const { status, stdout } = spawnSync('getent', ['passwd', user], { encoding: 'utf8', timeout: 5000 })
  return status === 0 ? stdout.trim() : null
}
