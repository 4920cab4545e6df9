/**
 * Who is who on a machine under test: found by command lines and by the slot's own files, so that it works also while no daemon
 * answers. Every answer is pid and start time, compared with /proc.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { allPids, commandLine, isAlive, processFacts, type ProcessId } from './processes.ts'
import { slotDirectories, slotDirectory } from './slot-directory.ts'

export const roles = ['instance', 'keeper', 'daemon', 'supervisor', 'collector'] as const
export type Role = (typeof roles)[number]

/**
 * `slot` (`web/0`), or `project`, narrows instances and keepers. A keeper is up to two processes: `unshare` and the namespace's first. Those that stand by
 * and run nothing are none.
 */
export function findCompanions(
  state: string,
  role: Role,
  slot: string | null = null,
  project: string | null = null,
): readonly ProcessId[] {
  const directories = (): readonly string[] => (slot === null ? slotDirectories(state, project) : [slotDirectory(state, slot)])
  if (role === 'instance') return directories().flatMap((directory) => runningInstance(directory) ?? [])
  if (role === 'keeper') return directories().flatMap(runningKeeper)
  return allPids().flatMap((pid) => {
    const words = commandLine(pid)
    if (!words.some((word) => word === state || word.startsWith(`${state}/`)) || !isRole(words, role, state)) return []
    const facts = processFacts(pid)
    return facts === null || facts.state === 'Z' ? [] : [{ pid, startTicks: facts.startTicks }]
  })
}

function isRole(words: readonly string[], role: Exclude<Role, 'instance' | 'keeper'>, state: string): boolean {
  switch (role) {
    case 'daemon':
      return words.includes('daemon') && words.includes('run') && words.includes(state)
    case 'supervisor':
      return /\/supervisor-[0-9a-f]+\.sh$/.test(words[1] ?? '')
    case 'collector':
      return words.some((word) => /\/log-collector\.[jt]s$/.test(word))
  }
}

/** The command of the slot's newest epoch, as its keeper wrote it down, if it is still that process. */
function runningInstance(slotDirectory: string): ProcessId | null {
  const epochs = list(slotDirectory).filter((name) => /^\d+$/.test(name))
  for (const epoch of epochs.toSorted((a, b) => Number(b) - Number(a))) {
    const started = recordedStart(join(slotDirectory, epoch, 'started'))
    if (started !== null && isAlive(started)) return started
  }
  return null
}

/** The newest epoch's, as its daemon wrote it down before it told it anything; with the `unshare` that waits for it. */
function runningKeeper(slotDirectory: string): readonly ProcessId[] {
  const epochs = list(slotDirectory).filter((name) => /^\d+$/.test(name))
  for (const epoch of epochs.toSorted((a, b) => Number(b) - Number(a))) {
    const keeper = recordedKeeper(join(slotDirectory, epoch, 'started'))
    if (keeper === null || !isAlive(keeper)) continue
    const parent = processFacts(processFacts(keeper.pid)?.parent ?? 0)
    return parent?.name === 'unshare' ? [{ pid: parent.pid, startTicks: parent.startTicks }, keeper] : [keeper]
  }
  return []
}

function recordedKeeper(file: string): ProcessId | null {
  try {
    const line = readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? ''
    return line.startsWith('{') ? ((JSON.parse(line) as { readonly keeper?: ProcessId }).keeper ?? null) : null
  } catch {
    return null
  }
}

function recordedStart(file: string): ProcessId | null {
  try {
    const [line = '', ...rest] = readFileSync(file, 'utf8').split('\n')
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
    return rest.length === 0 || fields.length < 20 ? null : { pid: Number.parseInt(line, 10), startTicks: Number(fields[19]) }
  } catch {
    return null
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
