/** Aligned columns. In a terminal that is too narrow, whole columns leave, the least important first; nothing wraps. */

import type { Paint } from '../screen/colour.ts'
import { displayWidth, padEnd, padStart, truncate } from './width.ts'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** Columns with a larger number leave first; those without one stay. */
  readonly leaves?: number
}

export interface Row {
  readonly cells: readonly string[]
  /** Lines under the row, indented to its second column. */
  readonly notes?: readonly string[]
}

const gap = '  '

export function renderTable(
  columns: readonly Column[],
  rows: readonly Row[],
  options: { readonly width: number; readonly title: Paint; readonly noteIndent?: number },
): string[] {
  const widths = columns.map((column, index) =>
    rows.reduce((widest, row) => Math.max(widest, displayWidth(row.cells[index] ?? '')), column.title.length),
  )
  const kept = chooseColumns(columns, widths, options.width)
  const line = (cells: readonly string[], paint: Paint): string => {
    const text = kept
      .map((index, place) => {
        const cell = cells[index] ?? ''
        const width = widths[index] ?? 0
        if (columns[index]?.align === 'right') return padStart(cell, width)
        return place === kept.length - 1 ? cell : padEnd(cell, width)
      })
      .join(gap)
    return paint(truncate(text.trimEnd(), options.width))
  }
  const indent = ' '.repeat(options.noteIndent ?? 0)
  return [
    line(
      columns.map((column) => column.title),
      options.title,
    ),
    ...rows.flatMap((row) => [
      line(row.cells, (text) => text),
      ...(row.notes ?? []).map((note) => truncate(`${indent}${note}`, options.width)),
    ]),
  ]
}

function chooseColumns(columns: readonly Column[], widths: readonly number[], limit: number): readonly number[] {
  let kept = columns.map((_column, index) => index)
  const total = (): number => kept.reduce((sum, index) => sum + (widths[index] ?? 0) + gap.length, -gap.length)
  while (total() > limit) {
    const leaving = kept
      .filter((index) => columns[index]?.leaves !== undefined)
      .toSorted((left, right) => (columns[right]?.leaves ?? 0) - (columns[left]?.leaves ?? 0))[0]
    if (leaving === undefined) break
    kept = kept.filter((index) => index !== leaving)
  }
  return kept
}
