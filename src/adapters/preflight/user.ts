/** The user that a service runs as, by the system's own databases (nsswitch.conf(5): LDAP and the like included). */

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'

import { nearest } from '../../core/values/nearest.ts'

const limitMs = 5000

/** Null when there is such a user, or nobody can be asked. */
export async function explainUser(user: string): Promise<string | null> {
  const known = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').map((line) => line.split(':'))
  if (known.some(([name, , uid]) => name === user || uid === user)) return null
  if (!(await isUnknown(user))) return null
  const near = nearest(
    user,
    known.map(([name]) => name ?? '').filter((name) => name !== ''),
  )
  return `there is no user ${user}${near === null ? '' : ` (did you mean ${near}?)`}`
}

/** getent(1): 2 means that a key was not found; everything else, that it cannot be told. */
function isUnknown(user: string): Promise<boolean> {
  return new Promise((resolve) => {
    execFile('getent', ['passwd', '--', user], { timeout: limitMs }, (error) => {
      const isAbsent = error !== null && (error as NodeJS.ErrnoException).code === 'ENOENT'
      resolve(isAbsent || error?.code === 2)
    })
  })
}
