/** The revisions, newest first. */

import type { RevisionSummary } from '../../protocol/api.ts'
import type { Paint, Palette } from '../screen/colour.ts'
import { formatMoment } from './quantity.ts'
import { renderTable } from './table.ts'
import { sanitise } from './width.ts'

export function renderHistory(revisions: readonly RevisionSummary[], palette: Palette, width: number): string[] {
  if (revisions.length === 0) return ['no revisions: nothing applied yet']
  const rows = revisions.map((revision) => ({
    cells: [
      String(revision.number),
      paintOf(revision.state, palette)(revision.state),
      formatMoment(revision.createdAt),
      sanitise(revision.by, false),
      sanitise(revision.cause, false),
      sanitise(revision.summary.replace(/^Plan: /, ''), false),
    ],
  }))
  return renderTable(
    [
      { title: 'REVISION', align: 'right' },
      { title: 'STATE' },
      { title: 'WHEN', leaves: 1 },
      { title: 'BY', leaves: 2 },
      { title: 'CAUSE' },
      { title: 'CHANGES' },
    ],
    rows,
    { width, title: palette.dim },
  )
}

function paintOf(state: RevisionSummary['state'], palette: Palette): Paint {
  switch (state) {
    case 'applied':
      return palette.green
    case 'failed':
      return palette.red
    case 'pending':
      return palette.yellow
    case 'superseded':
      return palette.dim
  }
}
