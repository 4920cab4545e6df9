/**
 * What the tests know of processes: straight from /proc, never from the program under test. A pid alone names nobody: every
 * identity here is pid and start time, and a signal is sent only after both were compared.
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { hangLimit } from './hang-limit.ts'

export interface ProcessId {
  readonly pid: number
  readonly startTicks: number
}

export interface ProcessFacts extends ProcessId {
  readonly parent: number
  readonly name: string
  /** The one letter of proc(5): `Z` and `X` are dead. */
  readonly state: string
}

/** Null when nobody has the pid. */
export function processFacts(pid: number): ProcessFacts | null {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return null
  }
  const open = text.indexOf('(')
  const close = text.lastIndexOf(')')
  const rest = text.slice(close + 2).split(' ')
  return {
    pid,
    name: text.slice(open + 1, close),
    state: rest[0] ?? 'X',
    parent: Number(rest[1]),
    startTicks: Number(rest[19]),
  }
}

/** A zombie is not alive: it runs nothing and holds nothing, once the last of its threads has gone the same way. */
export function isAlive(id: ProcessId): boolean {
  const facts = processFacts(id.pid)
  if (facts === null || facts.startTicks !== id.startTicks || facts.state === 'X') return false
  return facts.state !== 'Z' || hasOtherThreads(id.pid)
}

function hasOtherThreads(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).length > 1
  } catch {
    return false
  }
}

export function identify(pid: number): ProcessId | null {
  const facts = processFacts(pid)
  return facts === null ? null : { pid, startTicks: facts.startTicks }
}

export function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

export function childrenOf(pid: number): ProcessFacts[] {
  return allPids()
    .map(processFacts)
    .filter((facts) => facts !== null)
    .filter((facts) => facts.parent === pid && facts.state !== 'Z')
}

export function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
  } catch {
    return []
  }
}

export function environmentOf(pid: number): Record<string, string> {
  try {
    const lines = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
    return Object.fromEntries(
      lines
        .filter((line) => line.includes('='))
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
  } catch {
    return {}
  }
}

/** Finds, among this machine's processes, the one that calls itself `pid` inside the PID namespace `namespace`. */
export function findInNamespace(wanted: {
  readonly pid: number
  readonly startTicks: number
  readonly namespace: string
}): ProcessId | null {
  if (namespaceOf(wanted.pid) === wanted.namespace) return { pid: wanted.pid, startTicks: wanted.startTicks }
  for (const pid of allPids()) {
    if (namespaceOf(pid) !== wanted.namespace || processFacts(pid)?.startTicks !== wanted.startTicks) continue
    if (innermostPid(pid) === wanted.pid) return { pid, startTicks: wanted.startTicks }
  }
  return null
}

export function namespaceOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch {
    return null
  }
}

function innermostPid(pid: number): number | null {
  try {
    const line = /^NSpid:\t(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return line === undefined ? null : Number(line.split('\t').at(-1))
  } catch {
    return null
  }
}

/** Signals exactly this process; does nothing when it is gone or its pid is another's by now. */
export function signalProcess(id: ProcessId, signal: NodeJS.Signals): boolean {
  if (!isAlive(id)) return false
  try {
    process.kill(id.pid, signal)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

/** Between two looks: a look at a daemon, or at every process there is, costs those who are waited for. */
const shortestPauseMs = 20
const longestPauseMs = 100

/**
 * Polls until `look` answers with something that is not null or false: often at first, and then so that no more than a tenth is added to
 * the wait. The description is what a failure prints. `limitMs` is a limit for hangs, see `hang-limit.ts`; `everyMs` is for what passes
 * quickly.
 */
export async function until<Found>(
  description: string,
  limitMs: number,
  look: () => Found | null | false | undefined | Promise<Found | null | false | undefined>,
  everyMs?: number,
): Promise<Found> {
  const began = performance.now()
  const end = began + hangLimit(limitMs)
  for (;;) {
    const found = await look()
    if (found !== null && found !== false && found !== undefined) return found
    if (performance.now() > end) throw new Error(`not within ${hangLimit(limitMs)} ms: ${description}`)
    await sleep(everyMs ?? Math.min(Math.max((performance.now() - began) / 10, shortestPauseMs), longestPauseMs))
  }
}

/**
 * The environment of a process that has just become `command`. The kernel changes the name some time before the environment (execve(2)):
 * anything that waits for the one alone may read nothing of the other.
 */
export async function environmentWhen(pid: number, command: string): Promise<Readonly<Record<string, string>>> {
  return until(`${pid} is ${command}, with its environment`, 10_000, () => {
    const environment = environmentOf(pid)
    return commandName(pid) === command && Object.keys(environment).length > 0 ? environment : null
  })
}

function commandName(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd()
  } catch {
    return ''
  }
}
