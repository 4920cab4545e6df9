/**
 * One plot by uPlot: its numbers as text above it (a canvas says nothing to a screen reader), its colours from the style sheet, its height
 * fixed from the beginning. The cursor is shared by all plots of a view.
 */

import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import UPlot from 'uplot'
import { formatBytes, formatTime } from '../state/format.ts'
import { lastOf, type Values } from '../state/series-store.ts'

export interface PlotProps {
  readonly title: string
  readonly unit: string
  readonly format: (value: number | null) => string
  readonly times: readonly number[]
  readonly lines: readonly PlotLine[]
}

export interface PlotLine {
  readonly name: string
  readonly values: Values
  /** The main line: filled. */
  readonly isSum?: boolean
  readonly isBad?: boolean
}

const height = 150
const spanSeconds = 600

export function Plot({ title, unit, format, times, lines }: PlotProps): JSX.Element {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot | null>(null)
  const scheme = useScheme()
  const [at, setAt] = useState<number | null>(null)
  const names = lines.map(({ name }) => name).join('\n')

  useEffect(() => {
    const element = place.current
    if (element === null) return
    const made = new UPlot(optionsFor({ element, lines, format, onCursor: setAt }), dataOf(times, lines), element)
    plot.current = made
    const watcher = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }))
    watcher.observe(element)
    return () => {
      watcher.disconnect()
      made.destroy()
      plot.current = null
    }
    // Made again only when its lines are others or the colours have changed; data goes in below.
  }, [names, scheme])

  const last = times.at(-1)
  useEffect(() => {
    const made = plot.current
    if (made === null || last === undefined) return
    made.batch(() => {
      made.setData(dataOf(times, lines), false)
      made.setScale('x', { min: last - spanSeconds, max: last })
    })
  }, [last, times.length, names, scheme])

  const shown = (line: PlotLine): number | null => (at === null ? lastOf(line.values.slice(-3)) : (line.values[at] ?? null))
  const moment = at === null ? undefined : times[at]
  return (
    <>
      <figcaption>
        <span class="title">{title}</span>
        {lines.map((line, index) => (
          <span class={`key key-${line.isBad === true ? 'bad' : index}`} key={line.name}>
            {line.name} <b class="number">{format(shown(line))}</b>
          </span>
        ))}
        <span class="quiet">{moment === undefined ? unit : formatTime(new Date(moment * 1000).toISOString()).slice(0, 8)}</span>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={describe(title, lines, format)} />
    </>
  )
}

function describe(title: string, lines: readonly PlotLine[], format: PlotProps['format']): string {
  const told = lines.map(({ name, values }) => {
    const known = values.filter((value) => value !== null)
    return `${name}: now ${format(lastOf(values))}, at most ${format(known.length === 0 ? null : Math.max(...known))}`
  })
  return `${title} over the last 10 minutes. ${told.join('; ')}`
}

function dataOf(times: readonly number[], lines: readonly PlotLine[]): UPlot.AlignedData {
  const blank = times.map(() => null)
  return [[...times], ...lines.map(({ values }) => (values.length === times.length ? [...values] : blank))]
}

function optionsFor(parts: {
  readonly element: HTMLElement
  readonly lines: readonly PlotLine[]
  readonly format: PlotProps['format']
  readonly onCursor: (index: number | null) => void
}): UPlot.Options {
  const { element, lines, format, onCursor } = parts
  const style = getComputedStyle(element)
  const colour = (name: string): string => style.getPropertyValue(name).trim()
  const axis: UPlot.Axis = {
    stroke: colour('--faint'),
    font: `11px ${style.fontFamily}`,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  }
  return {
    width: element.clientWidth,
    height,
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: 'daruma' }, drag: { x: false, y: false }, points: { size: 6 }, y: false },
    scales: { x: { time: true }, y: { range: (_plot, _least, most) => [0, niceTop(most)] } },
    axes: [
      { ...axis, grid: { show: false }, space: 70, size: 24, values: (_plot, ticks) => ticks.map(clockText) },
      {
        ...axis,
        size: 60,
        space: 36,
        ...incrementsOf(format),
        values: (_plot, ticks) => ticks.map((tick) => (tick === 0 ? '0' : format(tick))),
      },
    ],
    series: [
      {},
      ...lines.map((line, index): UPlot.Series => {
        const stroke = colour(line.isBad === true ? '--bad' : `--line-${index}`)
        return {
          label: line.name,
          stroke,
          width: line.isSum === true ? 1.5 : 1,
          points: { show: false },
          ...(line.isSum === true ? { fill: `${stroke}1c` } : {}),
        }
      }),
    ],
    hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)] },
  }
}

/** Bytes are told in powers of two, and so must the axis go. */
const incrementsOf = (format: PlotProps['format']): Pick<UPlot.Axis, 'incrs'> =>
  format === formatBytes ? { incrs: Array.from({ length: 50 }, (_, power) => 2 ** power) } : {}

/** Room above the line, and an axis also where everything is zero. */
const niceTop = (most: number | null): number => (most === null || most <= 0 ? 1 : most * 1.15)

const clockText = (seconds: number): string => formatTime(new Date(seconds * 1000).toISOString()).slice(0, 5)

/** Counts the changes between light and dark. */
function useScheme(): number {
  const [changes, setChanges] = useState(0)
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)')
    const change = (): void => setChanges((count) => count + 1)
    query.addEventListener('change', change)
    return () => query.removeEventListener('change', change)
  }, [])
  return changes
}
