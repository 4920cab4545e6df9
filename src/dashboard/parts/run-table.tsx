/** The runs of a schedule that are kept, the newest first, and the ticks that started nothing. */

import type { JSX } from 'preact'
import type { JobView, RunsAnswer } from '../../protocol/api.ts'
import { formatMoment, formatTook } from '../state/format.ts'
import { Mark } from './mark.tsx'
import { toneOfRun } from '../state/tone.ts'
import { useAnswer } from '../state/use-answer.ts'

const shown = 30

export function RunTable({ job }: { readonly job: JobView }): JSX.Element {
  const version = JSON.stringify([job.running?.slot, job.running?.state, job.last?.slot, job.queued])
  const { answer, problem } = useAnswer<RunsAnswer>(`/v1/jobs/${encodeURIComponent(job.service)}/runs`, version)
  return (
    <section aria-labelledby="runs">
      <div class="section-head">
        <h2 id="runs">Runs</h2>
      </div>
      {answer === null && <p class="quiet">{problem ?? 'Asking the daemon…'}</p>}
      {answer?.runs.length === 0 && <p class="empty">It has not run yet.</p>}
      {answer !== null && answer.runs.length > 0 && (
        <table role="table" class="grid runs">
          <thead role="rowgroup">
            <tr role="row">
              {['Tick', 'State', 'Began', 'Took', 'Attempt', 'Revision'].map((title) => (
                <th role="columnheader" key={title}>
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {answer.runs.slice(0, shown).map((run) => (
              <tr role="row" key={run.slot}>
                <th role="rowheader" scope="row" class="name">
                  {run.tick === null ? '–' : formatMoment(run.tick)}
                  {run.by === 'hand' && <span class="tag">by hand</span>}
                  {run.isLate && <span class="tag">late</span>}
                </th>
                <td role="cell" class="state">
                  <Mark tone={toneOfRun(run.state)}>{run.state}</Mark>
                  {run.message !== null && run.state !== 'succeeded' && <span class="reason">{run.message}</span>}
                </td>
                <td role="cell" class="number" data-label="Began">
                  {run.startedAt === null ? '–' : formatMoment(run.startedAt)}
                </td>
                <td role="cell" class="number" data-label="Took">
                  {run.durationMs === null ? '–' : formatTook(run.durationMs)}
                </td>
                <td role="cell" class="number" data-label="Attempt">
                  {run.attempt}
                </td>
                <td role="cell" class="number" data-label="Revision">
                  {run.revision}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {answer?.skips.map(({ from, to, count, because }) => (
        <p class="quiet" key={from}>
          {count === null ? 'Ticks' : count === 1 ? 'A tick' : `${count} ticks`} that started nothing, {formatMoment(from)}
          {from === to ? '' : ` to ${formatMoment(to)}`}: {because}
        </p>
      ))}
    </section>
  )
}
