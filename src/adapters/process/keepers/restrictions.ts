/** The rights of this process that no child of it can win back: what was dropped from its bounding set, and no_new_privs (capabilities(7), prctl(2)). */

import { readText } from '../../../system/read-quietly.ts'

export interface Restrictions {
  /** No program gets more rights than it was started with: setuid bits and file capabilities do nothing. */
  readonly noNewPrivileges: boolean
  /** Names, as capabilities(7) has them, of what this kernel knows and no process below this one can have. */
  readonly droppedCapabilities: readonly string[]
}

export function readRestrictions(): Restrictions {
  const status = readText('/proc/self/status')
  const last = Number.parseInt(readText('/proc/sys/kernel/cap_last_cap'), 10)
  return restrictionsIn(status, Number.isSafeInteger(last) ? last : names.length - 1)
}

/** Exported for its test. `last` is the number of the last capability that the kernel knows. */
export function restrictionsIn(statusOfProcess: string, last: number): Restrictions {
  const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(statusOfProcess)?.[1]
  const isDropped = (bit: number): boolean => bounding !== undefined && (BigInt(`0x${bounding}`) >> BigInt(bit)) % 2n === 0n
  return {
    noNewPrivileges: /^NoNewPrivs:\s*1$/m.test(statusOfProcess),
    droppedCapabilities: Array.from({ length: last + 1 }, (_, bit) => bit)
      .filter(isDropped)
      .map((bit) => `CAP_${names[bit] ?? bit}`),
  }
}

/** By number (include/uapi/linux/capability.h). */
const names: readonly string[] = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN ' +
  'NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME ' +
  'SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON ' +
  'BPF CHECKPOINT_RESTORE'
).split(' ')
