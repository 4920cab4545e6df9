/**
 * How to run something inside an instance: the words for `enter.sh`, with the instance's own environment as its command received it.
 * The answer holds the instance's secrets in clear; it travels only over the socket of mode 0600.
 */

import { readFileSync, readlinkSync } from 'node:fs'

import { observeProcess } from '../../host/process-stat.ts'
import { DarumaError } from '../../ports/error.ts'
import type { ExecPlan } from '../../ports/runtime.ts'
import { asUser, findUser, splitEnvironment } from './launch.ts'
import type { Life } from './life.ts'
import { readEpochNote } from './slot-files.ts'
import type { Survey } from './survey.ts'

/** Throws `E_RUNTIME_NOT_RUNNING`. */
export function planExec(options: {
  readonly life: Life | null
  readonly slot: string
  readonly command: readonly string[]
  readonly limitFiles: readonly string[]
  readonly survey: Survey
  readonly enter: string
}): ExecPlan {
  const { life, survey } = options
  const beginning = life?.beginning
  const environ = beginning?.kind === 'started' ? readEnvironment(beginning.pid) : null
  if (life === null || beginning?.kind !== 'started' || environ === null) throw notRunning(options.slot)
  const isOurs = life.enclosure.members().includes(beginning.pid)
  if (!isOurs || observeProcess(beginning.pid)?.startTicks !== beginning.startTicks) throw notRunning(options.slot)

  const note = readEpochNote(life.directory)
  const { plain, loader } = splitEnvironment(environ)
  const account = note?.user ?? null
  const user = account === null ? null : findUser(account)
  return {
    command: [
      '/bin/sh',
      options.enter,
      [...life.enclosure.joinFiles, ...options.limitFiles].join('\n'),
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

function readEnvironment(pid: number): Readonly<Record<string, string>> | null {
  try {
    const environment: Record<string, string> = {}
    for (const entry of readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')) {
      const cut = entry.indexOf('=')
      if (cut > 0) environment[entry.slice(0, cut)] = entry.slice(cut + 1)
    }
    return environment
  } catch {
    return null
  }
}
