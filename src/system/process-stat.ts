/**
 * Who a process is, as /proc tells it. A process id alone says nothing, since the kernel gives it out again: together with the
 * start time (field 22 of /proc/PID/stat, proc(5)) and the boot id it names one process forever.
 */

import { readFileSync } from 'node:fs'

export interface ProcessStat {
  readonly pid: number
  /** `Z` is a zombie, `T` stopped. */
  readonly state: string
  readonly parent: number
  readonly processGroup: number
  /** Clock ticks since boot. */
  readonly startTicks: number
  /** User and system time of the process alone, in clock ticks. */
  readonly cpuTicks: number
}

/** Null when there is no such process (or no /proc). */
export function observeProcess(pid: number): ProcessStat | null {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return null
  }
}

/** Reads one line of /proc/PID/stat; the command's name in parentheses may itself hold spaces and parentheses. */
export function parseProcessStat(line: string): ProcessStat | null {
  const end = line.lastIndexOf(')')
  const pid = Number.parseInt(line, 10)
  const fields = line
    .slice(end + 2)
    .trimEnd()
    .split(' ')
  if (end < 0 || !Number.isSafeInteger(pid) || fields.length < 20) return null
  return {
    pid,
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    processGroup: Number(fields[2]),
    startTicks: Number(fields[19]),
    cpuTicks: Number(fields[11]) + Number(fields[12]),
  }
}

/** True when exactly this process lives; a zombie is dead. */
export function isAlive(identity: { readonly pid: number; readonly startTicks: number }): boolean {
  const stat = observeProcess(identity.pid)
  return stat !== null && stat.startTicks === identity.startTicks && stat.state !== 'Z' && stat.state !== 'X'
}

/** Milliseconds since the kernel's clock showed `startTicks` (1/100 s since boot, suspend included); 0 where there is no /proc. */
export function ageOf(startTicks: number): number {
  try {
    return Math.max(0, Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000 - startTicks * 10)
  } catch {
    return 0
  }
}

/** New with every boot of the kernel; empty where there is no /proc. */
export function observeBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return ''
  }
}

/** Milliseconds since boot (CLOCK_MONOTONIC), which every process of this boot reads alike. */
export const bootMs = (): number => Number(process.hrtime.bigint() / 1000n) / 1000

/** The command line as it is; empty for kernel threads, zombies and nobody. */
export function commandWords(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
  } catch {
    return []
  }
}

/** The command line for people, shortened; the name in brackets for kernel threads and zombies. */
export function describeProcess(pid: number): string {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    if (line !== '') return line.length > 200 ? `${line.slice(0, 199)}…` : line
    return `[${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()}]`
  } catch {
    return '(ended)'
  }
}
