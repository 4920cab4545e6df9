/**
 * Services and, below each, its instances, in one table with the same columns. Of very many services the first are drawn, and more on
 * request. The roles are written out: on a phone the rows become blocks, and a browser would then forget that this is a table.
 */

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { InstanceStatus, OverviewAnswer, ServiceDetail, ServiceStatus } from '../../protocol/api.ts'
import { formatAge, formatBytes, formatCores, formatLatency, formatRate } from '../state/format.ts'
import { CanaryNote } from './canary-note.tsx'
import { Mark } from './mark.tsx'
import { addressOf } from '../state/place.ts'
import { Routes } from './routes.tsx'
import type { SeriesStore } from '../state/series-store.ts'
import { ScheduleNote } from './schedule-note.tsx'
import { stateOfService } from '../state/service-state.ts'
import { SlotName } from './slot-name.tsx'
import { Spark } from './spark.tsx'
import { toneOfInstance } from '../state/tone.ts'
import { useLiveSource } from '../state/use-live.ts'

const atOnce = 50

export function ServiceTable(props: {
  readonly overview: OverviewAnswer
  readonly services: readonly ServiceStatus[]
  readonly withInstances: boolean
  readonly nowMs: number
}): JSX.Element {
  const { overview, services, withInstances, nowMs } = props
  const [limit, setLimit] = useState(atOnce)
  const series = useLiveSource().series(null)
  const details = new Map(overview.details.map((detail) => [detail.service, detail]))
  const instances = Map.groupBy(overview.instances, ({ service }) => service as string)
  const hasTraffic = overview.services.some(({ routes }) => routes.length > 0)
  return (
    <>
      <table role="table" class={`grid services ${hasTraffic ? '' : 'no-traffic'} ${withInstances ? '' : 'collapsed'}`}>
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader">Service</th>
            <th role="columnheader">State</th>
            <th role="columnheader" class="wide">
              Epoch
            </th>
            <th role="columnheader">Uptime</th>
            <th role="columnheader">Restarts</th>
            <th role="columnheader">CPU</th>
            <th role="columnheader">Memory</th>
            {hasTraffic && (
              <>
                <th role="columnheader">Requests/s</th>
                <th role="columnheader">Failed/s</th>
                <th role="columnheader">Latency</th>
              </>
            )}
            <th role="columnheader">Where</th>
          </tr>
        </thead>
        {services.slice(0, limit).map((service) => {
          const own = instances.get(service.service) ?? []
          const detail = details.get(service.service)
          // Runs come and go by the second: the page of the service lists them, and nothing here jumps.
          return (
            <tbody role="rowgroup" key={service.service}>
              <ServiceRow
                service={service}
                instances={own}
                detail={detail}
                series={series}
                hasTraffic={hasTraffic}
                nowMs={nowMs}
              />
              {withInstances &&
                service.kind !== 'schedule' &&
                own.map((instance) => (
                  <InstanceRow key={instance.slot} instance={instance} nowMs={nowMs} hasTraffic={hasTraffic} />
                ))}
            </tbody>
          )
        })}
      </table>
      {services.length > limit && (
        <button type="button" class="more" onClick={() => setLimit(limit + atOnce)}>
          Show {Math.min(atOnce, services.length - limit)} more of {services.length} services
        </button>
      )}
    </>
  )
}

function ServiceRow(props: {
  readonly service: ServiceStatus
  readonly instances: readonly InstanceStatus[]
  readonly detail: ServiceDetail | undefined
  readonly series: SeriesStore
  readonly hasTraffic: boolean
  readonly nowMs: number
}): JSX.Element {
  const { service, instances, detail, series, hasTraffic, nowMs } = props
  const { service: name } = service
  const restarts = instances.reduce((sum, instance) => sum + instance.restarts, 0)
  const traffic = detail?.traffic ?? null
  const { tone, text } = stateOfService(service, instances, detail?.job ?? null)
  return (
    <tr role="row" class={instances.length === 0 ? 'service idle' : 'service'}>
      <th role="rowheader" scope="row" class="name">
        <span class="name-line">
          <a href={addressOf({ kind: 'service', name })} data-row title={name}>
            {name}
          </a>
          <span class="tag">{service.kind}</span>
        </span>
      </th>
      <td role="cell" class="state">
        <span class="state-line">
          <Mark tone={tone}>{text}</Mark>
          {service.desired > 0 && service.kind !== 'job' && <span class="tag">{service.guarantee}</span>}
        </span>
        {service.canary !== null && <CanaryNote canary={service.canary} />}
      </td>
      <td role="cell" class="wide" />
      <td role="cell" class="number" />
      <td role="cell" class={restarts === 0 ? 'number quiet none' : 'number tone-busy'} data-label="Restarts">
        {restarts}
      </td>
      <td role="cell" class="number" data-label="CPU">
        <Spark values={series.line('cpuCores', name)} format={formatCores} />
      </td>
      <td role="cell" class="number" data-label="Memory">
        <Spark values={series.line('memoryBytes', name)} format={formatBytes} />
      </td>
      {hasTraffic && (
        <>
          <td role="cell" class="number" data-label="Requests/s">
            {service.routes.length > 0 && <Spark values={series.line('requestsPerSecond', name)} format={formatRate} />}
          </td>
          <td role="cell" class={(traffic?.failedPerSecond ?? 0) > 0 ? 'number tone-bad' : 'number quiet'} data-label="Failed/s">
            {service.routes.length > 0 && formatRate(traffic?.failedPerSecond ?? null)}
          </td>
          <td role="cell" class="number" data-label="Latency">
            {service.routes.length > 0 && formatLatency(traffic?.latencyMs?.mean ?? null)}
          </td>
        </>
      )}
      <td role="cell" class="where">
        <Routes routes={service.routes} />
        <ScheduleNote job={detail?.job ?? null} nowMs={nowMs} />
      </td>
    </tr>
  )
}

function InstanceRow(props: {
  readonly instance: InstanceStatus
  readonly nowMs: number
  readonly hasTraffic: boolean
}): JSX.Element {
  const { instance, nowMs, hasTraffic } = props
  return (
    <tr role="row" class="instance">
      <th role="rowheader" scope="row" class="name" title={instance.slot}>
        <SlotName slot={instance.slot} />
      </th>
      <td role="cell" class="state">
        <span class="state-line">
          <Mark tone={toneOfInstance(instance)}>{describeInstance(instance)}</Mark>
          {instance.reason !== null && (
            <span class="reason" title={instance.reason}>
              {instance.reason}
            </span>
          )}
        </span>
      </td>
      <td role="cell" class="wide number quiet" data-label="Epoch">
        {instance.epoch ?? '–'}
      </td>
      <td role="cell" class="number" data-label="Uptime">
        {formatAge(instance.startedAt, nowMs)}
      </td>
      <td role="cell" class={instance.restarts === 0 ? 'number quiet none' : 'number tone-busy'} data-label="Restarts">
        {instance.restarts}
      </td>
      <td role="cell" class="number" data-label="CPU">
        {formatCores(instance.cpuCores)}
      </td>
      <td role="cell" class="number" data-label="Memory">
        {formatBytes(instance.memoryBytes)}
      </td>
      {hasTraffic && (
        <>
          <td role="cell" class="filler" />
          <td role="cell" class="filler" />
          <td role="cell" class="filler" />
        </>
      )}
      <td role="cell" class="where quiet">
        {instance.port !== null && <>:{instance.port}</>}
      </td>
    </tr>
  )
}

export function describeInstance({ state, health }: InstanceStatus): string {
  return state === 'running' && health !== 'none' ? (health === 'starting' ? 'running, not yet proven' : health) : state
}
