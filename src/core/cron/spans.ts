/**
 * The watermark, as spans of wall time in which every tick has been decided: none in them ever starts again, whatever the clock does
 * and whatever was pruned. One number would do if clocks only went forward; but a clock that was years ahead for an hour would then
 * silence the schedule for years. So what was jumped over is left out: those ticks never began, and may still come.
 */

export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** The ticks of one schedule: the first after an instant, the last in a window (after, until]. */
export interface Ticks {
  next(afterMs: number): number | null
  last(window: { readonly afterMs: number; readonly untilMs: number }): number | null
}

/** Each jump of the clock leaves one more span; that many are remembered one by one. */
export const maxSpans: number = 16

export const isCovered = (spans: readonly Span[], tickMs: number): boolean => spanAt(spans, tickMs) !== null

function spanAt(spans: readonly Span[], tickMs: number): Span | null {
  return spans.find(({ fromMs, toMs }) => fromMs <= tickMs && tickMs <= toMs) ?? null
}

/** The spans with `tickMs` among them; it joins the one before it when no other tick lies between. */
export function cover(spans: readonly Span[], tickMs: number, ticks: Ticks | null): readonly Span[] {
  if (isCovered(spans, tickMs)) return spans
  const before = spans.findLast(({ toMs }) => toMs < tickMs)
  const isNext = before !== undefined && ticks !== null && (ticks.next(before.toMs) ?? 0) >= tickMs
  const grown = isNext
    ? spans.map((span) => (span === before ? { fromMs: span.fromMs, toMs: tickMs } : span))
    : [...spans, { fromMs: tickMs, toMs: tickMs }]
  return unite(grown, [])
}

/** Both together, sorted, without overlaps, and at most {@link maxSpans}: beyond that the smallest gaps are given up. */
export function unite(left: readonly Span[], right: readonly Span[]): readonly Span[] {
  const sorted = [...left, ...right].toSorted((a, b) => a.fromMs - b.fromMs)
  const united: Span[] = []
  for (const span of sorted) {
    const last = united.at(-1)
    if (last === undefined || span.fromMs > last.toMs) united.push(span)
    else united[united.length - 1] = { fromMs: last.fromMs, toMs: Math.max(last.toMs, span.toMs) }
  }
  while (united.length > maxSpans) closeSmallestGap(united)
  return united
}

/** A tick in the gap that is closed never starts, should the clock come back to it. That costs least where the gap is smallest. */
function closeSmallestGap(spans: Span[]): void {
  const gaps = spans.slice(1).map((span, index) => span.fromMs - (spans[index]?.toMs ?? 0))
  const at = gaps.indexOf(Math.min(...gaps))
  const [left, right] = [spans[at], spans[at + 1]]
  if (left !== undefined && right !== undefined) spans.splice(at, 2, { fromMs: left.fromMs, toMs: right.toMs })
}

/** The first tick after the instant that may still start. */
export function nextOpen(spans: readonly Span[], ticks: Ticks, afterMs: number): number | null {
  let tickMs = ticks.next(afterMs)
  for (let round = 0; tickMs !== null && round <= maxSpans; round += 1) {
    const span = spanAt(spans, tickMs)
    if (span === null) return tickMs
    tickMs = ticks.next(span.toMs)
  }
  return tickMs
}

/** The last tick in (after, until] that may still start. */
export function lastOpen(
  spans: readonly Span[],
  ticks: Ticks,
  window: { readonly afterMs: number; readonly untilMs: number },
): number | null {
  let { untilMs } = window
  for (let round = 0; round <= maxSpans; round += 1) {
    if (untilMs <= window.afterMs) return null
    const tickMs = ticks.last({ afterMs: window.afterMs, untilMs })
    const span = tickMs === null ? null : spanAt(spans, tickMs)
    if (span === null) return tickMs
    untilMs = span.fromMs - 1
  }
  return null
}

/** The spans without the instants: what lies between two of them is a span of its own. */
export function without(spans: readonly Span[], instants: readonly number[]): readonly Span[] {
  let left: readonly Span[] = spans
  for (const instant of instants) {
    left = left.flatMap((span) => {
      if (instant < span.fromMs || instant > span.toMs) return [span]
      const parts = [
        { fromMs: span.fromMs, toMs: instant - 1 },
        { fromMs: instant + 1, toMs: span.toMs },
      ]
      return parts.filter(({ fromMs, toMs }) => fromMs <= toMs)
    })
  }
  return left
}
