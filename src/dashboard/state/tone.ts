/** How a state is to be taken: one of five tones, always told in words as well, because a colour alone tells some readers nothing. */

import { toneOfEvent as weigh } from '../../core/model/event-tone.ts'
import type { InstanceStatus, RevisionSummary, RunView } from '../../protocol/api.ts'

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

export function toneOfEvent(kind: string): Tone {
  const tone = weigh(kind)
  return tone === 'uneasy' ? 'busy' : tone
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
