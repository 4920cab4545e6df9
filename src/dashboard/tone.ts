/** How a state is to be taken: one of five tones, always told in words as well, because a colour alone tells some readers nothing. */

import type { InstanceStatus, RecordedEvent, RevisionSummary, RunView } from '../protocol/api.ts'

export type Tone = 'good' | 'busy' | 'bad' | 'quiet' | 'plain'

export function toneOfInstance({ state, health }: Pick<InstanceStatus, 'state' | 'health'>): Tone {
  switch (state) {
    case 'running':
      return health === 'unhealthy' ? 'bad' : health === 'starting' ? 'busy' : 'good'
    case 'completed':
      return 'good'
    case 'crash-looping':
    case 'failed':
    case 'blocked':
      return 'bad'
    case 'stopped':
      return 'quiet'
    case 'pending':
    case 'starting':
    case 'stopping':
    case 'backing-off':
      return 'busy'
  }
  // A daemon that is newer than this page.
  return 'plain'
}

const bad: ReadonlySet<string> = new Set<RecordedEvent['kind']>([
  'start-failed',
  'unhealthy',
  'crash-looping',
  'failed',
  'lost',
  'blocked',
  'disk-full',
  'operation-failed',
  'database-replaced',
  'certificate-failed',
])

const uneasy: ReadonlySet<string> = new Set<RecordedEvent['kind']>([
  'host-rebooted',
  'orphan-ended',
  'unready',
  'exited',
  'backing-off',
  'killed',
  'waiting',
  'rolling-back',
  'rolled-back',
  'supervisor-restarted',
])

const good: ReadonlySet<string> = new Set<RecordedEvent['kind']>([
  'ready',
  'completed',
  'adopted',
  'unblocked',
  'disk-recovered',
  'operation-succeeded',
])

export function toneOfEvent(kind: string): Tone {
  return bad.has(kind) ? 'bad' : uneasy.has(kind) ? 'busy' : good.has(kind) ? 'good' : 'plain'
}

export function toneOfRevision(state: RevisionSummary['state']): Tone {
  const tones: Readonly<Record<RevisionSummary['state'], Tone>> = {
    pending: 'busy',
    applied: 'good',
    failed: 'bad',
    superseded: 'quiet',
  }
  return tones[state] ?? 'plain'
}

export function toneOfRun(state: RunView['state']): Tone {
  switch (state) {
    case 'succeeded':
      return 'good'
    case 'failed':
    case 'timed-out':
    case 'lost':
      return 'bad'
    case 'stopped':
    case 'replaced':
    case 'cancelled':
      return 'quiet'
    case 'queued':
    case 'starting':
    case 'running':
    case 'ending':
    case 'waiting':
      return 'busy'
  }
  return 'plain'
}
