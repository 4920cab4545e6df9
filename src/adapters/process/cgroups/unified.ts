/**
 * An epoch's cgroup in the v2 hierarchy (kernel: Documentation/admin-guide/cgroup-v2.rst, "Core Interface Files"). `cgroup.kill`,
 * `.freeze` and `.events` are core files and need no controller, so this serves hybrid hosts too. Kernels before 5.14 have no
 * `cgroup.kill`: there everything inside is frozen, killed one by one (frozen v2 tasks do die), and thawed.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { hasCode, isMissing } from '../../../system/errno.ts'
import { type Cgroup, type Freezer, cgroupMembers, killEach, removeCgroup } from './cgroup.ts'

export function unifiedCgroup(directory: string, options: { readonly hasKillFile: boolean }): Cgroup {
  const freezer: Freezer = {
    freeze: () => write(directory, 'cgroup.freeze', '1'),
    isFrozen: () => readEvents(directory).includes('frozen 1'),
    thaw: () => write(directory, 'cgroup.freeze', '0'),
  }
  return {
    joinFiles: [join(directory, 'cgroup.procs')],
    eventsFile: join(directory, 'cgroup.events'),
    members: () => cgroupMembers(directory),
    isPopulated: () => readEvents(directory).includes('populated 1'),
    killAll() {
      if (options.hasKillFile) return write(directory, 'cgroup.kill', '1')
      freezer.freeze()
      killEach(cgroupMembers(directory))
      freezer.thaw()
    },
    seal: () => removeCgroup(directory),
    freezer,
  }
}

function readEvents(directory: string): string {
  try {
    return readFileSync(join(directory, 'cgroup.events'), 'latin1')
  } catch (error) {
    if (isMissing(error) || hasCode(error, 'ENODEV')) return ''
    throw error
  }
}

/** A cgroup that is gone has nothing left to kill, freeze or thaw. */
function write(directory: string, file: string, text: string): void {
  try {
    writeFileSync(join(directory, file), text)
  } catch (error) {
    if (!isMissing(error) && !hasCode(error, 'ENODEV')) throw error
  }
}
