/**
 * A user of this machine, by name or number. `/etc/passwd` is read at once; what it does not know (LDAP and the like) getent(1) is asked
 * for, which may wait for another machine for seconds, and the caller waits without holding anybody else up.
 */

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

const limitMs = 5000
const run = promisify(execFile)
/** One question at a time for each: a thousand starts ask for the same one. */
const asking = new Map<string, Promise<Account | null>>()

/** Null when there is no such user, or nobody could say so in time. */
export async function findAccount(user: string): Promise<Account | null> {
  return parsePasswd(await readFile('/etc/passwd', 'utf8').catch(() => ''), user) ?? (await askSystem(user))
}

/** In the format of passwd(5); the first line whose name or number it is. */
export function parsePasswd(text: string, user: string): Account | null {
  for (const line of text.split('\n')) {
    const [name = '', , uid = '', gid = '', , home = '', shell] = line.split(':')
    if (shell !== undefined && (name === user || uid === user))
      return { name, uid: Number(uid), gid: Number(gid), home: home === '' ? '/' : home }
  }
  return null
}

function askSystem(user: string): Promise<Account | null> {
  const known = asking.get(user)
  if (known !== undefined) return known
  const asked = run('getent', ['passwd', '--', user], { encoding: 'utf8', timeout: limitMs, killSignal: 'SIGKILL' })
    .then(
      ({ stdout }) => parsePasswd(stdout, user),
      () => null,
    )
    .finally(() => asking.delete(user))
  asking.set(user, asked)
  return asked
}
