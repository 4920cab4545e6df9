/** Every revision that is kept: when, by whom, why, what it changed, and what became of it. */

import type { JSX } from 'preact'
import type { RevisionSummary } from '../../protocol/api.ts'
import { ChooseProject } from './choose-project.tsx'
import { formatMoment } from '../state/format.ts'
import { Mark } from '../parts/mark.tsx'
import { addressOf } from '../state/place.ts'
import { toneOfRevision } from '../state/tone.ts'
import { useAnswer } from '../state/use-answer.ts'
import { useIsOfSeveral, useLive } from '../state/use-live.ts'

export function RevisionsView(): JSX.Element {
  const isOfSeveral = useIsOfSeveral()
  return (
    <section>
      <div class="section-head">
        <h1>Revisions</h1>
      </div>
      {isOfSeveral ? <ChooseProject place={{ kind: 'revisions' }} /> : <Revisions />}
    </section>
  )
}

function Revisions(): JSX.Element {
  const { overview, connection } = useLive()
  const version = `${overview?.revision} ${overview?.operation?.id} ${overview?.operation?.state} ${connection.kind}`
  const { answer, problem } = useAnswer<readonly RevisionSummary[]>('/v1/revisions', version)
  return (
    <>
      {answer === null && <p class="quiet">{problem ?? 'Asking the daemon…'}</p>}
      {answer?.length === 0 && <p class="empty">Nothing has been applied yet.</p>}
      {answer !== null && answer.length > 0 && (
        <table role="table" class="grid revisions">
          <thead role="rowgroup">
            <tr role="row">
              <th role="columnheader">Revision</th>
              <th role="columnheader">State</th>
              <th role="columnheader">Cause</th>
              <th role="columnheader">Changes</th>
              <th role="columnheader">By</th>
              <th role="columnheader">When</th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {answer.map((revision) => (
              <tr role="row" key={revision.number}>
                <th role="rowheader" scope="row" class="name">
                  <a href={addressOf({ kind: 'revision', number: revision.number })} data-row>
                    {revision.number}
                  </a>
                </th>
                <td role="cell" class="state">
                  <Mark tone={toneOfRevision(revision.state)}>{revision.state}</Mark>
                </td>
                <td role="cell" class="cause-cell">
                  {revision.cause}
                </td>
                <td role="cell" class="changes">
                  {revision.summary.replace(/^Plan: |\.$/g, '')}
                </td>
                <td role="cell" class="quiet" data-label="By">
                  {revision.by}
                </td>
                <td role="cell" class="quiet number" data-label="When">
                  {formatMoment(revision.createdAt)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  )
}
