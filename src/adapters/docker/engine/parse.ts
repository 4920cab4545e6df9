/** From the engine's answers to our words: pure. */

import { type Epoch, type SlotId, asEpoch } from '../../../core/model/id.ts'
import type { Exit } from '../../../core/model/status.ts'
import { explainExitCode } from '../../../system/exit-code.ts'

export const labels = {
  state: 'daruma.state',
  slot: 'daruma.slot',
  epoch: 'daruma.epoch',
  note: 'daruma.note',
  /** The state directory's path, for a daemon that has lost everything else. */
  directory: 'daruma.directory',
} as const

/** A container as `inspect` tells of it, as far as we care. */
export interface Found {
  readonly id: string
  readonly name: string
  readonly image: string
  readonly labels: Readonly<Record<string, string>>
  /** `created` has never run; `running` includes paused and restarting; of `ended` nothing is left but its files. */
  readonly state: 'created' | 'running' | 'ended'
  readonly pid: number
  readonly startedAt: string | null
  readonly exit: Exit | null
}

export interface RawInspect {
  readonly Id: string
  readonly Name: string
  readonly Config: { readonly Image: string; readonly Labels: Readonly<Record<string, string>> | null }
  readonly State: {
    readonly Status?: string
    readonly Running: boolean
    readonly Paused?: boolean
    readonly Restarting?: boolean
    readonly Pid: number
    readonly ExitCode: number
    readonly OOMKilled?: boolean
    readonly StartedAt: string
    readonly Error?: string
  }
}

export function parseInspect(raw: RawInspect): Found {
  const { State: state } = raw
  const isRunning = state.Running || state.Paused === true || state.Restarting === true
  // Podman says "configured" or "initialized" where Docker says "created".
  const isCreated = !isRunning && ['created', 'configured', 'initialized'].includes(state.Status ?? '')
  return {
    id: raw.Id,
    name: raw.Name.replace(/^\//, ''),
    image: raw.Config.Image,
    labels: raw.Config.Labels ?? {},
    state: isRunning ? 'running' : isCreated ? 'created' : 'ended',
    pid: state.Pid,
    startedAt: isCreated || state.StartedAt.startsWith('0001-') ? null : toMilliseconds(state.StartedAt),
    exit: isRunning || isCreated ? null : parseExit({ code: state.ExitCode, isOom: state.OOMKilled === true }),
  }
}

/** The kernel counts a OOM kill also where the program survived it: only a death by SIGKILL was one. */
export function parseExit({ code, isOom }: { readonly code: number; readonly isOom: boolean }): Exit {
  if (isOom && code === 137) return { kind: 'oom' }
  return explainExitCode(code)
}

/** Nanoseconds mean nothing to people. */
const toMilliseconds = (text: string): string => new Date(Date.parse(text)).toISOString()

export interface Owned {
  readonly slot: SlotId
  readonly epoch: Epoch
  readonly note: string | null
}

/** Whose container it is; null for one that is not of this state. */
export function parseOwner(found: Readonly<Record<string, string>>, stateId: string): Owned | null {
  const epoch = Number(found[labels.epoch])
  const slot = found[labels.slot]
  if (found[labels.state] !== stateId || slot === undefined || !Number.isSafeInteger(epoch) || epoch <= 0) return null
  return { slot: slot as SlotId, epoch: asEpoch(epoch), note: found[labels.note] ?? null }
}

/** One event of the engine's stream. */
export interface EngineEvent {
  readonly id: string
  readonly action: string
  readonly exitCode: number | null
}

export function parseEvent(line: string): EngineEvent | null {
  try {
    const raw = JSON.parse(line) as {
      readonly id?: string
      readonly status?: string
      readonly Action?: string
      readonly Actor?: { readonly ID?: string; readonly Attributes?: Readonly<Record<string, string>> }
    }
    const id = raw.Actor?.ID ?? raw.id
    const exitCode = raw.Actor?.Attributes?.['exitCode'] ?? raw.Actor?.Attributes?.['containerExitCode']
    if (id === undefined) return null
    return { id, action: raw.Action ?? raw.status ?? '', exitCode: exitCode === undefined ? null : Number(exitCode) }
  } catch {
    return null
  }
}

/** Splits what comes in pieces into lines. */
export class LineSplitter {
  #rest = ''

  push(text: string): readonly string[] {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    return lines.filter((line) => line !== '')
  }
}
