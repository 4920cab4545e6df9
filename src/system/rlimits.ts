/** What the kernel allows a process (setrlimit(2)), and whether it may raise it: read from /proc, for anything that starts others. */

import { readText } from './read-quietly.ts'

/** Their names in /proc/PID/limits (kernel: fs/proc/base.c), by those of prlimit(1). */
const namesInProc: Readonly<Record<string, string>> = {
  as: 'Max address space',
  core: 'Max core file size',
  cpu: 'Max cpu time',
  data: 'Max data size',
  fsize: 'Max file size',
  locks: 'Max file locks',
  memlock: 'Max locked memory',
  msgqueue: 'Max msgqueue size',
  nice: 'Max nice priority',
  nofile: 'Max open files',
  nproc: 'Max processes',
  rss: 'Max resident set',
  rtprio: 'Max realtime priority',
  rttime: 'Max realtime timeout',
  sigpending: 'Max pending signals',
  stack: 'Max stack size',
}

/** The hard limit in the text of a /proc/PID/limits; `Infinity` is none, null: it is not there. */
export function hardLimitIn(limitsOfProcess: string, name: string): number | null {
  const line = limitsOfProcess.split('\n').find((each) => each.startsWith(`${namesInProc[name]} `))
  const hardest = /\s{2,}(\S+)\s+(\S+)(?:\s+\S+)?\s*$/.exec(line ?? '')?.[2]
  if (hardest === undefined) return null
  return hardest === 'unlimited' ? Infinity : Number(hardest)
}

export interface RlimitRights {
  /** As /proc/PID/limits has them. */
  readonly limits: string
  /** CAP_SYS_RESOURCE: without it a hard limit can only be lowered. */
  readonly mayRaise: boolean
  /** fs.nr_open: more open files nobody may have (proc(5)); null where it is not known. */
  readonly mostOpenFiles: number | null
}

/** Of this process, or of another one (proc(5)). Where it cannot be read, its limits are not known. */
export function readRlimitRights(pid: number | 'self' = 'self'): RlimitRights {
  const most = Number.parseInt(readText('/proc/sys/fs/nr_open'), 10)
  return {
    limits: readText(`/proc/${pid}/limits`),
    mayRaise: hasCapability(readText(`/proc/${pid}/status`), capSysResource),
    mostOpenFiles: Number.isSafeInteger(most) ? most : null,
  }
}

const capSysResource = 24

function hasCapability(status: string, bit: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'
  return (BigInt(`0x${effective}`) >> BigInt(bit)) % 2n === 1n
}
