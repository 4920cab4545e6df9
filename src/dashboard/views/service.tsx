/** One service: what it uses and what reaches it over ten minutes, its instances, its events, what it prints. */

import type { JSX } from 'preact'
import type { InstanceStatus } from '../../protocol/api.ts'
import { CanaryNote } from '../parts/canary-note.tsx'
import { EventList, isAbout } from '../parts/event-list.tsx'
import { formatAge, formatBytes, formatCores, formatLatency } from '../state/format.ts'
import { LogView } from './log.tsx'
import { Mark } from '../parts/mark.tsx'
import { addressOf } from '../state/place.ts'
import { PlotsOf } from '../parts/plots-of.tsx'
import { Routes } from '../parts/routes.tsx'
import { ScheduleNote } from '../parts/schedule-note.tsx'
import { RunTable } from '../parts/run-table.tsx'
import { stateOfService } from '../state/service-state.ts'
import { describeInstance } from '../parts/service-table.tsx'
import { toneOfInstance } from '../state/tone.ts'
import { useLive } from '../state/use-live.ts'

const eventsShown = 100

export function ServiceView({ name }: { readonly name: string }): JSX.Element {
  const { overview, events, nowMs } = useLive()
  const service = overview?.services.find((each) => each.service === name)
  const detail = overview?.details.find((each) => each.service === name)
  const instances = overview?.instances.filter((each) => each.service === name) ?? []
  if (service === undefined) {
    return (
      <section>
        <Crumbs />
        <h1>{name}</h1>
        <p class="empty">There is no service of this name now. Its events may still be listed.</p>
      </section>
    )
  }
  const job = detail?.job ?? null
  const { tone, text } = stateOfService(service, instances, job)
  return (
    <>
      <section>
        <Crumbs />
        <div class="section-head">
          <h1>{name}</h1>
          <Mark tone={tone}>{text}</Mark>
          <span class="tag">{service.kind}</span>
          <span class="tag">{service.guarantee}</span>
        </div>
        <p class="facts">
          {detail !== undefined && <code>{detail.runs}</code>}
          <Routes routes={service.routes} />
          {service.canary !== null && <CanaryNote canary={service.canary} />}
          <ScheduleNote job={job} nowMs={nowMs} />
          {service.gap !== null && <span>worst gap of a change {formatLatency(service.gap.worstMs)}</span>}
        </p>
      </section>
      <PlotsOf service={name} slots={instances.map(({ slot }) => slot)} isRouted={service.routes.length > 0} />
      <section aria-labelledby="instances">
        <div class="section-head">
          <h2 id="instances">Instances</h2>
        </div>
        {instances.length === 0 ? <p class="empty">None at the moment.</p> : <Instances instances={instances} nowMs={nowMs} />}
      </section>
      {job?.kind === 'schedule' && <RunTable job={job} />}
      <section aria-labelledby="events">
        <div class="section-head">
          <h2 id="events">Events</h2>
          <a href={addressOf({ kind: 'events', service: name })}>All of {name}</a>
        </div>
        <EventList events={events.filter((event) => isAbout(event, name)).slice(-eventsShown)} rows={10} />
      </section>
      <LogView service={name} slots={instances.map(({ slot }) => slot)} />
    </>
  )
}

const Crumbs = (): JSX.Element => (
  <p class="crumbs">
    <a href={addressOf({ kind: 'overview' })}>Services</a>
  </p>
)

function Instances({ instances, nowMs }: { readonly instances: readonly InstanceStatus[]; readonly nowMs: number }): JSX.Element {
  return (
    <table role="table" class="grid instances">
      <thead role="rowgroup">
        <tr role="row">
          {['Slot', 'State', 'Epoch', 'Process', 'Port', 'Uptime', 'Proven', 'Restarts', 'CPU', 'Memory', 'Revision'].map(
            (title) => (
              <th role="columnheader" key={title}>
                {title}
              </th>
            ),
          )}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {instances.map((instance) => (
          <tr role="row" key={instance.slot}>
            <th role="rowheader" scope="row" class="name">
              {instance.slot}
            </th>
            <td role="cell" class="state">
              <Mark tone={toneOfInstance(instance)}>{describeInstance(instance)}</Mark>
              {instance.reason !== null && <span class="reason">{instance.reason}</span>}
            </td>
            {cellsOf(instance, nowMs).map(([label, text]) => (
              <td role="cell" class="number" data-label={label} key={label}>
                {text}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function cellsOf(instance: InstanceStatus, nowMs: number): readonly (readonly [label: string, text: string | number])[] {
  return [
    ['Epoch', instance.epoch ?? '–'],
    ['Process', instance.pid ?? '–'],
    ['Port', instance.port ?? '–'],
    ['Uptime', formatAge(instance.startedAt, nowMs)],
    ['Proven', instance.provenAt === null ? '–' : `${formatAge(instance.provenAt, nowMs)} ago`],
    ['Restarts', instance.restarts],
    ['CPU', formatCores(instance.cpuCores)],
    ['Memory', formatBytes(instance.memoryBytes)],
    ['Revision', instance.revision],
  ]
}
