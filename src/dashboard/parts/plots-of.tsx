/** The plots of one service. uPlot is loaded when a first plot is wanted: the overview needs none of it. */

import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { formatBytes, formatCores, formatLatency, formatRate } from '../state/format.ts'
import type { PlotProps } from './plot.tsx'
import { useLive, useLiveSource } from '../state/use-live.ts'

/** More lines than this are a thicket: then only the sum is drawn. */
const maxLines = 8

export function PlotsOf(props: {
  readonly service: string
  readonly slots: readonly string[]
  readonly isRouted: boolean
}): JSX.Element {
  const { service, slots, isRouted } = props
  useLive()
  const series = useLiveSource().series(service)
  const Plot = usePlot()
  const single = slots.length > 1 && slots.length <= maxLines ? slots : []
  const used = (measure: string): PlotProps['lines'] => [
    { name: slots.length > 1 ? 'all' : service, values: series.line(measure, service), isSum: true },
    ...single.map((slot) => ({ name: slot, values: series.line(measure, slot) })),
  ]
  const plots: readonly Omit<PlotProps, 'times'>[] = [
    { title: 'CPU', unit: 'cores', format: formatCores, lines: used('cpuCores') },
    { title: 'Memory', unit: '', format: formatBytes, lines: used('memoryBytes') },
    ...(isRouted
      ? [
          {
            title: 'Requests',
            unit: 'a second',
            format: formatRate,
            lines: [
              { name: 'requests', values: series.line('requestsPerSecond', service), isSum: true },
              { name: 'failed', values: series.line('failedPerSecond', service), isBad: true },
            ],
          },
          {
            title: 'Latency',
            unit: '',
            format: formatLatency,
            lines: [
              { name: 'mean', values: series.line('latencyMeanMs', service), isSum: true },
              { name: 'max', values: series.line('latencyMaxMs', service) },
            ],
          },
        ]
      : []),
  ]
  return (
    <section aria-label="The last 10 minutes" class="plots">
      {plots.map((plot) => (
        <figure key={plot.title}>
          {Plot === null ? <p class="quiet">{plot.title}</p> : <Plot {...plot} times={series.times} />}
        </figure>
      ))}
    </section>
  )
}

function usePlot(): ((props: PlotProps) => JSX.Element) | null {
  const [plot, setPlot] = useState<{ readonly Plot: (props: PlotProps) => JSX.Element } | null>(null)
  useEffect(() => {
    let isWanted = true
    import('./plot.tsx').then(
      ({ Plot }) => isWanted && setPlot({ Plot }),
      // The daemon went away, or was upgraded and has other files by now: the numbers in the table are still there.
      () => undefined,
    )
    return () => {
      isWanted = false
    }
  }, [])
  return plot?.Plot ?? null
}
