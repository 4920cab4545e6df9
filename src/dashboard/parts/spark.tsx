/** A line of the last minutes beside its number: the shape only, so it is hidden from screen readers, who get the number. */

import type { JSX } from 'preact'
import { lastOf, type Values } from '../state/series-store.ts'

const width = 56
const height = 16
/** Two minutes: what somebody who watches a change wants to see of it. */
const points = 60

export function Spark({
  values,
  format,
}: {
  readonly values: Values
  readonly format: (value: number | null) => string
}): JSX.Element {
  return (
    <span class="spark">
      <span class="number">{format(lastOf(values.slice(-3)))}</span>
      <svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-hidden="true">
        <path d={pathOf(values.slice(-points))} />
      </svg>
    </span>
  )
}

/** Always from zero: a line that is scaled to its own noise tells of drama where there is none. */
function pathOf(values: Values): string {
  const largest = Math.max(...values.map((value) => value ?? 0), Number.MIN_VALUE)
  let path = ''
  let isDrawing = false
  for (const [index, value] of values.entries()) {
    if (value === null) {
      isDrawing = false
      continue
    }
    const x = width - (values.length - 1 - index) * (width / (points - 1))
    const y = height - 1.5 - (value / largest) * (height - 3)
    path += `${isDrawing ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`
    isDrawing = true
  }
  return path
}
