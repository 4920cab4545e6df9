/** A reason's two values as a person is shown them: at most some 70 characters, and of two long ones that begin alike from where they part. */

import type { Reason } from './plan.ts'

const longestText = 72
/** What is shown of what both have. */
const context = 20

export function shownDifference({ from, to }: Pick<Reason, 'from' | 'to'>): Pick<Reason, 'from' | 'to'> {
  const isAlike = from !== null && to !== null && from !== to && shorten(from) === shorten(to)
  const start = isAlike ? Math.max(0, partingOf(from, to) - context) : 0
  const show = (text: string | null): string | null =>
    text === null ? null : shorten(start === 0 ? text : `…${text.slice(start).toWellFormed()}`)
  return { from: show(from), to: show(to) }
}

function partingOf(left: string, right: string): number {
  let at = 0
  while (at < left.length && left[at] === right[at]) at += 1
  return at
}

export function shorten(text: string): string {
  return text.length <= longestText ? text : `${text.slice(0, longestText - 1).toWellFormed()}…`
}
