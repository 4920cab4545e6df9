/** Runs by hand: ticks of their own, named by the moment at which somebody asked. They obey the same overlap as every other tick. */

import { formatInstant } from '../../core/cron/instant.ts'
import { admit, maxQueued } from '../../core/cron/admit.ts'
import type { Refusal } from '../../core/cron/admit.ts'
import type { Ledger, Run } from '../../core/cron/ledger.ts'
import { isCovered } from '../../core/cron/spans.ts'
import type { Span } from '../../core/cron/spans.ts'
import type { Presence } from '../../core/cron/evaluate.ts'
import type { ServiceName, SlotId } from '../../core/model/id.ts'
import { DarumaError } from '../../ports/error.ts'
import { slotOf } from './entry.ts'
import type { CronEntry } from './entry.ts'

export interface RunRequest {
  readonly service: ServiceName
  readonly resolve: (begun: { readonly slot: SlotId; readonly run: Run }) => void
  readonly refuse: (error: Error) => void
}

export interface Admitted {
  readonly ledger: Ledger
  /** Called when it is durable, or with why it is not. */
  readonly answer: (error: Error | null) => void
}

/** The ledger with the runs that were asked for; those that must not be are refused at once. */
export function admitByHand(
  entry: CronEntry,
  ledger: Ledger,
  { requests, wallMs }: { readonly requests: readonly RunRequest[]; readonly wallMs: number },
): Admitted {
  const { service, presence } = entry
  const accepted: { readonly request: RunRequest; readonly number: number }[] = []
  let after = ledger
  for (const request of requests) {
    if (presence.kind !== 'active') {
      request.refuse(refusalOf(service, presence) ?? new Error('refused'))
      continue
    }
    const tickMs = handTick(after, entry.forgotten, wallMs)
    const admission = admit(after, presence.schedule.overlap, { tickMs, by: 'hand', isLate: false })
    if (admission.refusal !== null) request.refuse(explainRefusal(service, admission.refusal))
    else accepted.push({ request, number: admission.ledger.lastNumber })
    after = admission.ledger
  }
  const answer = (error: Error | null): void => {
    for (const { request, number } of accepted) {
      const run = entry.ledger.runs.find((each) => each.number === number)
      if (error !== null || run === undefined) request.refuse(error ?? new Error('the run is not in the ledger'))
      else request.resolve({ slot: slotOf(service, run), run })
    }
  }
  return { ledger: after, answer }
}

/** Never a whole second, so that it is no tick of the schedule; never a name that is or was taken. */
function handTick(ledger: Ledger, forgotten: readonly Span[], wallMs: number): number {
  const taken = new Set(ledger.runs.map((run) => run.tickMs))
  let tickMs = wallMs
  while (tickMs % 1000 === 0 || taken.has(tickMs) || isCovered(forgotten, tickMs)) {
    const span = forgotten.find(({ fromMs, toMs }) => fromMs <= tickMs && tickMs <= toMs)
    tickMs = Math.max(tickMs, span?.toMs ?? 0) + 1
  }
  return tickMs
}

/** Why nothing can be run by hand now; null when it can. */
function refusalOf(service: ServiceName, presence: Presence): DarumaError | null {
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
function explainRefusal(service: ServiceName, refusal: Refusal): DarumaError {
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
