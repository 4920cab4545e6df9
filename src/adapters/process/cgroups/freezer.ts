/**
 * An epoch's cgroup in the v1 freezer hierarchy, for hosts without v2 (kernel: Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst).
 * A frozen v1 task does not die of SIGKILL until it is thawed. That is used, not suffered: the signals are sent while nothing can
 * fork or end, then everything is thawed and dies before it runs another instruction.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { hasCode, isMissing } from '../../../system/errno.ts'
import { type Cgroup, type Freezer, cgroupMembers, killEach, removeCgroup } from './cgroup.ts'

export function freezerCgroup(directory: string): Cgroup {
  const freezer: Freezer = {
    freeze: () => write(directory, 'FROZEN'),
    isFrozen: () => read(directory) === 'FROZEN',
    thaw: () => write(directory, 'THAWED'),
  }
  return {
    joinFiles: [join(directory, 'cgroup.procs')],
    eventsFile: null,
    members: () => cgroupMembers(directory),
    isPopulated: () => cgroupMembers(directory).length > 0,
    killAll() {
      // One that cannot be frozen (in an uninterruptible call) is signalled all the same; the caller repeats this until it is empty.
      freezer.freeze()
      killEach(cgroupMembers(directory))
      freezer.thaw()
    },
    seal: () => removeCgroup(directory),
    freezer,
  }
}

function read(directory: string): string {
  try {
    return readFileSync(join(directory, 'freezer.state'), 'latin1').trim()
  } catch (error) {
    if (isMissing(error) || hasCode(error, 'ENODEV')) return ''
    throw error
  }
}

function write(directory: string, state: 'FROZEN' | 'THAWED'): void {
  try {
    writeFileSync(join(directory, 'freezer.state'), state)
  } catch (error) {
    if (!isMissing(error) && !hasCode(error, 'ENODEV')) throw error
  }
}
