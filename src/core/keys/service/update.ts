/** `update`: how a new revision replaces the old, and the canary that may go first. */

import { duration, share, wholeNumber } from '../../values/amounts.ts'
import { formatDuration } from '../../values/quantity.ts'
import { quote } from '../../values/show.ts'
import { oneOf } from '../../values/scalars.ts'
import { asOne, type Group, group, type WrittenOf } from '../key.ts'
import type { ScaleKind } from './scale.ts'

export interface UpdatePolicy {
  /** `start-first`: the new instance is ready, in a slot of its own, before an old one stops. `stop-first`: no overlap, a gap. */
  readonly order: 'start-first' | 'stop-first'
  /** How long a new instance may take from its start until it is ready (a job: until it has ended). */
  readonly deadlineMs: number
  /** How long an instance without probes must have lived to count as ready. */
  readonly minReadyMs: number
  /** Start-first: how many instances beyond the wanted number may run for a moment; at least 1. */
  readonly surge: number
  /** Stop-first: how many may be replaced at a time; at least 1. */
  readonly parallel: number
  /** The rest between one batch that is ready and the next. */
  readonly pauseMs: number
  /** Stop-first: how many must stay ready; null: as `parallel` leaves. */
  readonly minHealthy: number | null
  /** How long requests in flight may take when their instance leaves, before it is asked to stop. Only where there is a route. */
  readonly drainMs: number
  readonly canary: Canary | null
}

/** A first share of the requests goes to the new revision; it is promoted by time or by hand, rolled back by its errors. */
export interface Canary {
  /** Of the requests: above 0, at most 0.5. */
  readonly share: number
  readonly forMs: number
  /** The largest share of failed requests (5xx and broken connections) that the canary may have beyond the old revision's. */
  readonly errorRate: number
}

export interface WrittenUpdate extends Omit<WrittenOf<UpdatePolicy>, 'canary'> {
  readonly canary?: WrittenOf<Canary>
}

export const usualDeadlineMs = (kind: ScaleKind): number => (kind === 'job' ? 3_600_000 : 60_000)

export function usualOrder(service: {
  readonly kind: ScaleKind
  readonly hasVolumes: boolean
  readonly hasFixedPort: boolean
}): UpdatePolicy['order'] {
  return service.kind === 'replicas' && !service.hasVolumes && !service.hasFixedPort ? 'start-first' : 'stop-first'
}

export const canary: Group<Canary> = group<Canary>('canary', {
  share: {
    type: share({ from: 0.001, to: 0.5 }),
    prose: 'The share of the requests that the new revision gets at first.',
    example: '0.05',
  },
  forMs: {
    key: 'for',
    type: duration({ from: 1000 }),
    prose: 'How long it must go well until the new revision gets the rest; `daruma promote` does not wait.',
    example: "'2m'",
  },
  errorRate: {
    type: share({ from: 0, to: 1 }),
    // One in a hundred is more than chance.
    default: 0.01,
    prose:
      "The largest share of the canary's requests that may fail, beyond those of the old revision; above it, the old revision gets everything back.",
    example: '0.005',
  },
})

/** One reason in a plan: it comes and goes as a whole. */
const shownCanary = asOne<Canary, WrittenOf<Canary>>(
  canary,
  (value) => `${value.share} for ${formatDuration(value.forMs)}, error rate ${value.errorRate}`,
)

const deadline = duration({ from: 1000 })

export const update: Group<UpdatePolicy, WrittenUpdate> = group<UpdatePolicy, WrittenUpdate>('update', {
  order: {
    type: oneOf(['start-first', 'stop-first']),
    defaultWords: "`'start-first'` for replicas without volumes and without a fixed port, else `'stop-first'`",
    prose: 'Whether the new instance is ready before the old one stops (no gap), or starts after it is gone (no overlap).',
    example: "'stop-first'",
  },
  deadlineMs: {
    key: 'deadline',
    type: deadline,
    defaultWords: `\`${quoteMs(usualDeadlineMs('replicas'))}\`; \`${quoteMs(usualDeadlineMs('job'))}\` for a job`,
    prose: 'How long a new instance may take until it is ready (a job: until it has ended) before the revision is rolled back.',
    example: "'5m'",
  },
  minReadyMs: {
    key: 'minReady',
    type: duration({ from: 0, to: 86_400_000 }),
    default: 500,
    prose: 'How long an instance without probes must have lived to count as ready.',
    example: "'2s'",
  },
  surge: {
    type: wholeNumber({ from: 1, to: 1000 }),
    default: 1,
    prose: 'Start-first: how many instances beyond `replicas` may run for a moment.',
    example: '2',
  },
  parallel: {
    type: wholeNumber({ from: 1, to: 1000 }),
    default: 1,
    prose: 'Stop-first: how many replicas are replaced at a time.',
    example: '2',
  },
  pauseMs: {
    key: 'pause',
    type: duration({ from: 0, to: 86_400_000 }),
    default: 0,
    prose: 'The rest between one batch that is ready and the next.',
    example: "'10s'",
  },
  minHealthy: {
    type: wholeNumber({ from: 0, to: 1000 }),
    default: null,
    defaultWords: 'as `parallel` leaves',
    prose: 'Stop-first: how many replicas must stay ready at any time.',
    example: '2',
  },
  drainMs: {
    key: 'drain',
    type: duration({ from: 0, to: 86_400_000 }),
    default: 30_000,
    prose: 'How long requests under way may take, when an instance with a route leaves, before it is asked to stop.',
    example: "'1m'",
  },
  canary: {
    type: shownCanary,
    default: null,
    prose:
      'A first share of the requests goes to the new revision, the rest when that went well. Replicas with a route by HTTP, start-first.',
    example: "{ share: 0.05, for: '2m' }",
  },
})

const { order: _order, deadlineMs: _deadline, minReadyMs: _minReady, ...pace } = update.fill({})

/** How fast a change goes, where nothing else is said. */
export const updatePace: Omit<UpdatePolicy, 'order' | 'deadlineMs' | 'minReadyMs'> = pace

function quoteMs(durationMs: number): string {
  return quote(formatDuration(durationMs))
}
