/**
 * The kernel's word on a container: its first process, named forever by boot, pid and start time. An engine loses containers (renamed by
 * hand, its data replaced, a broken `inspect`) while their processes run on, so no answer of an engine ends an epoch whose first
 * process lives. Where none could be observed (no /proc, another PID namespace) the engine is all there is.
 */

import { isAlive, observeBootId } from '../../../system/process-stat.ts'
import { epochDirectory, newestStarted, readBeginning, readEpochNote, type SlotPaths } from '../../../host/slot-files.ts'

export interface Witness {
  readonly pid: number
  readonly startTicks: number
}

/** Null for a process that could not be observed when it began. */
export const asWitness = ({ pid, startTicks }: Witness): Witness | null =>
  pid > 0 && startTicks > 0 ? { pid, startTicks } : null

export type WitnessState = { readonly kind: 'lives'; readonly witness: Witness } | { readonly kind: 'ended' | 'unknown' }

/** By the epoch's files. Nothing survives a boot. */
export function observeWitness(directory: string): WitnessState {
  const beginning = readBeginning(directory)
  const witness = beginning.kind === 'started' ? asWitness(beginning) : null
  if (witness === null) return { kind: 'unknown' }
  const isOfThisBoot = readEpochNote(directory)?.bootId === observeBootId()
  return isOfThisBoot && isAlive(witness) ? { kind: 'lives', witness } : { kind: 'ended' }
}

/** The first process of the slot's newest epoch, where that was a container and still lives. */
export function findLivingWitness(paths: SlotPaths): Witness | null {
  const epoch = newestStarted(paths)
  if (epoch === null) return null
  const directory = epochDirectory(paths, epoch)
  if (readEpochNote(directory)?.container === undefined) return null
  const observed = observeWitness(directory)
  return observed.kind === 'lives' ? observed.witness : null
}

/** It is process 1 of its PID namespace: after SIGKILL nothing in the container is left (pid_namespaces(7)). */
export function signalWitness(witness: Witness, signal: NodeJS.Signals): void {
  try {
    if (isAlive(witness)) process.kill(witness.pid, signal)
  } catch {
    // It has ended, or is not ours to signal: the caller waits and sees which.
  }
}
