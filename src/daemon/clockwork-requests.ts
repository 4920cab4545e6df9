/** Runs by hand: ticks of their own, named by the moment at which somebody asked. They obey the same overlap as every other tick. */

import { formatInstant } from '../core/clockwork/instant.ts'
import { maxQueued } from '../core/clockwork/admit.ts'
import type { Refusal } from '../core/clockwork/admit.ts'
import type { Ledger, Run } from '../core/clockwork/ledger.ts'
import { isCovered } from '../core/clockwork/spans.ts'
import type { Span } from '../core/clockwork/spans.ts'
import type { Presence } from '../core/clockwork/turn.ts'
import type { ServiceName, SlotId } from '../core/model/id.ts'
import { DarumaError } from '../ports/error.ts'

export interface RunRequest {
  readonly service: ServiceName
  readonly resolve: (begun: { readonly slot: SlotId; readonly run: Run }) => void
  readonly refuse: (error: Error) => void
}

/** Never a whole second, so that it is no tick of the schedule; never a name that is or was taken. */
export function handTick(ledger: Ledger, forgotten: readonly Span[], wallMs: number): number {
  const taken = new Set(ledger.runs.map((run) => run.tickMs))
  let tickMs = wallMs
  while (tickMs % 1000 === 0 || taken.has(tickMs) || isCovered(forgotten, tickMs)) {
    const span = forgotten.find(({ fromMs, toMs }) => fromMs <= tickMs && tickMs <= toMs)
    tickMs = Math.max(tickMs, span?.toMs ?? 0) + 1
  }
  return tickMs
}

/** Why nothing can be run by hand now; null when it can. */
export function refusalOf(service: ServiceName, presence: Presence): DarumaError | null {
  switch (presence.kind) {
    case 'active':
      return null
    case 'paused':
      return new DarumaError('E_JOB_STOPPED', `${service} was stopped by hand.`, {
        hint: `daruma start ${service} lets it run again.`,
      })
    case 'gone':
    case 'unknown':
      return new DarumaError('E_JOB_UNKNOWN', `There is no schedule ${service} now.`, { hint: 'daruma job ls lists them.' })
  }
}

/** Why this one is not let in beside those that are there. */
export function explainRefusal(service: ServiceName, refusal: Refusal): DarumaError {
  if (refusal.kind === 'queue-full') {
    return new DarumaError('E_RUN_QUEUE_FULL', `${maxQueued} runs of ${service} wait already.`, {
      hint: `daruma job runs ${service} shows them.`,
    })
  }
  return new DarumaError(
    'E_RUN_UNDER_WAY',
    `The run ${formatInstant(refusal.run.tickMs)} of ${service} is under way, and its runs must not overlap.`,
    {
      hint: `Wait for its end, or set \`overlap\` to 'queue' or 'replace'. daruma stop ${service} ends it.`,
    },
  )
}
