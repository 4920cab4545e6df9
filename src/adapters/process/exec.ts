/**
 * How to run something inside an instance: the words for `enter.sh`, with the instance's own environment as its command received it.
 * The answer holds the instance's secrets in clear; it travels only over the socket of mode 0600.
 */

import { readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import { observeProcess } from '../../system/process-stat.ts'
import { DarumaError } from '../../ports/error.ts'
import type { ExecPlan } from '../../ports/runtime/runtime.ts'
import { asUser, findUser, splitEnvironment } from './launch.ts'
import type { InstanceMonitor } from './instance-monitor.ts'
import { readEpochNote } from '../../host/slot-files.ts'
import type { Survey } from './survey.ts'

/** Throws `E_RUNTIME_NOT_RUNNING`. */
export async function planExec(options: {
  readonly monitor: InstanceMonitor | null
  readonly slot: string
  readonly command: readonly string[]
  readonly limitFiles: readonly string[]
  readonly survey: Survey
  readonly enter: string
}): Promise<ExecPlan> {
  const { monitor, survey } = options
  const beginning = monitor?.beginning
  const environ = monitor?.environment ?? (beginning?.kind === 'started' ? await readEnvironment(beginning.pid) : null)
  if (monitor === null || beginning?.kind !== 'started' || environ === null) throw notRunning(options.slot)
  const isOurs = monitor.cgroup.members().includes(beginning.pid)
  if (!isOurs || observeProcess(beginning.pid)?.startTicks !== beginning.startTicks) throw notRunning(options.slot)

  const note = readEpochNote(monitor.directory)
  const { plain, loader } = splitEnvironment(environ)
  const account = note?.user ?? null
  const user = account === null ? null : await findUser(account)
  return {
    command: [
      '/bin/sh',
      options.enter,
      [...monitor.cgroup.joinFiles, ...options.limitFiles].join('\n'),
      `${beginning.pid}`,
      `${beginning.startTicks}`,
      note?.namespaces === false ? '' : (survey.tools.nsenter ?? ''),
      note?.directory ?? readlinkSync(`/proc/${beginning.pid}/cwd`),
      ...asUser({ survey, user, loader, command: options.command }),
    ],
    environment: plain,
  }
}

function notRunning(slot: string): DarumaError {
  return new DarumaError('E_RUNTIME_NOT_RUNNING', `${slot} is not running, so nothing can be run inside it`)
}

/**
 * Of an adopted instance. While a process is between two programs, within execve(2), its environment reads as empty, which a
 * command's never is; that lasts some microseconds.
 */
async function readEnvironment(pid: number): Promise<Readonly<Record<string, string>> | null> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const text = readText(`/proc/${pid}/environ`)
    if (text === null) return null
    if (text !== '') return parseEnvironment(text)
    await sleep(2)
  }
  return {}
}

function parseEnvironment(text: string): Readonly<Record<string, string>> {
  const environment: Record<string, string> = {}
  for (const entry of text.split('\0')) {
    const cut = entry.indexOf('=')
    if (cut > 0) environment[entry.slice(0, cut)] = entry.slice(cut + 1)
  }
  return environment
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
