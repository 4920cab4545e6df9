/**
 * What needs a person, and the exit code of `status`. Something that is on its way is no trouble: a slot that starts, a change that
 * is being applied. Something that will not get well by itself, or has just failed, is; a schedule's last run among it.
 */

import { explainExit, type InstanceStatus } from '../../core/model/status.ts'
import type { JobView, StatusAnswer } from '../../protocol/api.ts'

export interface Trouble {
  /** Null where it is about the daemon or the machine. */
  readonly service: string | null
  readonly slot: string | null
  readonly message: string
}

/** With `jobs` of the services in `status`. */
export function findTroubles(status: StatusAnswer, jobs: readonly JobView[]): readonly Trouble[] {
  const { condition } = status.daemon
  return [
    ...(condition === null ? [] : [{ service: null, slot: null, message: condition }]),
    ...status.instances.flatMap((instance) => {
      const message = explainInstance(instance)
      return message === null ? [] : [{ service: instance.service, slot: instance.slot, message }]
    }),
    ...jobs.flatMap((job) => {
      const message = explainSchedule(job)
      return message === null ? [] : [{ service: job.service, slot: job.last?.slot ?? null, message }]
    }),
  ]
}

function explainInstance({ state, health, reason }: InstanceStatus): string | null {
  switch (state) {
    case 'crash-looping':
    case 'backing-off':
    case 'failed':
    case 'blocked':
      return reason ?? state
    case 'running':
      return health === 'unhealthy' ? (reason ?? 'unhealthy') : null
    case 'pending':
    case 'starting':
    case 'stopping':
    case 'stopped':
    case 'completed':
      return null
  }
}

/** A job tells by its slot. What a person stopped, or a newer run replaced, has not failed. */
export function explainSchedule({ kind, fault, last }: JobView): string | null {
  if (kind === 'job') return null
  if (fault !== null) return `it cannot run: ${fault}`
  if (last === null) return null
  const { state, exit, message } = last
  if (state === 'failed') return `the last run failed${exit === null ? '' : `: ${explainExit(exit)}`}`
  if (state === 'timed-out') return 'the last run took too long and was ended'
  if (state === 'lost') return `the last run was lost: ${message ?? 'how it ended is not known'}`
  return null
}

/** 0: all that is wanted is ready. 2: something is in trouble. 3: nothing is, but not everything is ready yet. */
export function exitCodeOf(status: StatusAnswer, troubles: readonly Trouble[]): number {
  if (troubles.length > 0) return 2
  return status.services.every(({ ready, desired }) => ready >= desired) ? 0 : 3
}
