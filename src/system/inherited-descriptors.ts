/**
 * A process started by another inherits what that one had open, and hands it on to its own children: a pipe of the terminal or the
 * build that once called `daruma up` would stay open as long as any instance runs. A shell cannot close descriptors above 9, so the
 * Node process that starts others does it first.
 */

import { closeSync, readFileSync, readdirSync } from 'node:fs'

import { libc } from './libc.ts'

/** O_CLOEXEC as fdinfo prints it, in octal (proc(5)). */
const closeOnExec = 0o2000000

/** The descriptors, and the session keyring: the keys of whoever typed `daruma up` are none of a service's business. */
export function shedInheritance(): void {
  closeInheritedDescriptors()
  libc().joinSessionKeyring()
}

/** Closes what was inherited beyond the standard three. All that Node itself opens has the close-on-exec flag, so it is kept. */
export function closeInheritedDescriptors(): void {
  for (const name of listDescriptors()) {
    const descriptor = Number(name)
    if (descriptor > 2 && isInheritable(descriptor)) closeSync(descriptor)
  }
}

function listDescriptors(): readonly string[] {
  try {
    return readdirSync('/proc/self/fd')
  } catch {
    return []
  }
}

function isInheritable(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1'))?.[1]
    return flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0
  } catch {
    return false
  }
}
