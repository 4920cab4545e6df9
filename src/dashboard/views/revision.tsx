/** One revision with its plan, told as `daruma plan` told it before it was applied. */

import { shownDifference } from '../../core/plan/shown-difference.ts'
import type { JSX } from 'preact'
import type { Plan, RevisionView as Revision } from '../../protocol/api.ts'
import { formatMoment, plural } from '../state/format.ts'
import { ChooseProject } from './choose-project.tsx'
import { Mark } from '../parts/mark.tsx'
import { addressOf } from '../state/place.ts'
import { toneOfRevision, type Tone } from '../state/tone.ts'
import { useAnswer } from '../state/use-answer.ts'
import { useIsOfSeveral, useLive } from '../state/use-live.ts'

export function RevisionView({ number }: { readonly number: number }): JSX.Element {
  const isOfSeveral = useIsOfSeveral()
  return (
    <section>
      <p class="crumbs">
        <a href={addressOf({ kind: 'revisions' })}>Revisions</a>
      </p>
      {isOfSeveral ? (
        <>
          <h1>Revision {number}</h1>
          <ChooseProject place={{ kind: 'revision', number }} />
        </>
      ) : (
        <OneRevision number={number} />
      )}
    </section>
  )
}

function OneRevision({ number }: { readonly number: number }): JSX.Element {
  const { overview, connection } = useLive()
  const version = `${overview?.revision} ${overview?.operation?.state} ${connection.kind}`
  const { answer, problem } = useAnswer<Revision>(`/v1/revisions/${number}`, version)
  return (
    <>
      <div class="section-head">
        <h1>Revision {number}</h1>
        {answer !== null && <Mark tone={toneOfRevision(answer.state)}>{answer.state}</Mark>}
      </div>
      {answer === null ? (
        <p class="quiet">{problem ?? 'Asking the daemon…'}</p>
      ) : (
        <>
          <p class="facts">
            <span>
              {answer.cause} by {answer.by}, {formatMoment(answer.createdAt)}
              {answer.plan.base > 0 && (
                <>
                  , on <a href={addressOf({ kind: 'revision', number: answer.plan.base })}>revision {answer.plan.base}</a>
                </>
              )}
            </span>
          </p>
          <PlanText plan={answer.plan} />
        </>
      )}
    </>
  )
}

type Step = Plan['steps'][number]

const markers: Readonly<Record<Step['kind'], readonly [sign: string, words: string, tone: Tone]>> = {
  create: ['+', 'create', 'good'],
  'run-job': ['+', 'run', 'good'],
  update: ['~', 'update in place', 'busy'],
  replace: ['-/+', 'replace', 'busy'],
  restart: ['-/+', 'restart', 'busy'],
  remove: ['-', 'remove', 'bad'],
}

function PlanText({ plan }: { readonly plan: Plan }): JSX.Element {
  if (plan.steps.length === 0) return <p class="empty">It changed no service ({plural(plan.unchanged, 'service')} as before).</p>
  return (
    <>
      <ol class="plan">
        {plan.steps.map((step) => (
          <PlanStep step={step} key={`${step.kind} ${step.service}`} />
        ))}
      </ol>
      {plan.unchanged > 0 && <p class="quiet">{plural(plan.unchanged, 'service')} as before.</p>}
    </>
  )
}

function PlanStep({ step }: { readonly step: Step }): JSX.Element {
  const [sign, words, tone] = markers[step.kind]
  return (
    <li>
      <div class="step">
        <span class={`sign tone-${tone}`} aria-label={words}>
          {sign}
        </span>
        <strong>{step.service}</strong>
        <span>{step.what}</span>
        {step.transition !== null && <span class="quiet">{step.transition}</span>}
      </div>
      {step.reasons.length > 0 && (
        <ul>
          {step.reasons.map((reason) => (
            <li>
              {reason.field !== '' && <span class="field">{reason.field}</span>}
              {reason.note ?? (
                <>
                  <span class="from">{shownDifference(reason).from ?? 'unset'}</span>
                  <span class="quiet"> → </span>
                  <span class="to">{shownDifference(reason).to ?? 'unset'}</span>
                </>
              )}
            </li>
          ))}
        </ul>
      )}
      {step.warning !== null && <p class="tone-busy">! {step.warning}</p>}
    </li>
  )
}
