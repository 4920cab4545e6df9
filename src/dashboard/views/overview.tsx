/** Everything at a glance: what the project is, what happens to it now, and each service with its instances. */

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { OverviewAnswer } from '../../protocol/api.ts'
import { EventList } from '../parts/event-list.tsx'
import { formatAge, formatBytes, formatCores, formatRate, plural } from '../state/format.ts'
import { addressOf } from '../state/place.ts'
import { troubled } from '../state/service-state.ts'
import { ServiceTable } from '../parts/service-table.tsx'
import { useIsOfSeveral, useLive, useSubject } from '../state/use-live.ts'

const eventsShown = 12

export function OverviewView(): JSX.Element | null {
  const { overview, events, nowMs, progress } = useLive()
  const subject = useSubject()
  if (overview === null) return null
  return (
    <>
      <h1 class="silent">Services of {subject ?? 'no project yet'}</h1>
      <Summary overview={overview} nowMs={nowMs} progress={progress} />
      {overview.services.length === 0 ? (
        <p class="empty">
          Nothing is wanted here. <code>daruma up</code> applies a config; this page shows it at once.
        </p>
      ) : (
        <ServiceSection overview={overview} nowMs={nowMs} />
      )}
      <section aria-labelledby="latest-events">
        <div class="section-head">
          <h2 id="latest-events">Latest events</h2>
          <a href={addressOf({ kind: 'events', service: null })}>All events</a>
        </div>
        <EventList events={events.slice(-eventsShown)} rows={eventsShown} />
      </section>
    </>
  )
}

function ServiceSection({ overview, nowMs }: { readonly overview: OverviewAnswer; readonly nowMs: number }): JSX.Element {
  const [filter, setFilter] = useState('')
  const [isTroubleOnly, setTroubleOnly] = useState(false)
  const [isFull, setFull] = useState(() => overview.instances.length <= 40)
  const inTrouble = new Set(troubled(overview))
  const words = filter.trim().toLowerCase()
  const shown = overview.services.filter(({ service }) => service.includes(words) && (!isTroubleOnly || inTrouble.has(service)))
  return (
    <section aria-labelledby="services">
      <div class="section-head">
        <h2 id="services">Services</h2>
        <div class="tools">
          <label class="check">
            <input type="checkbox" checked={isFull} onChange={(event) => setFull(event.currentTarget.checked)} /> Instances
          </label>
          <label class="check">
            <input type="checkbox" checked={isTroubleOnly} onChange={(event) => setTroubleOnly(event.currentTarget.checked)} />{' '}
            Only trouble ({inTrouble.size})
          </label>
          <input
            type="search"
            data-filter
            placeholder="Filter"
            aria-label="Filter services"
            aria-keyshortcuts="/"
            value={filter}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        </div>
      </div>
      <ServiceTable overview={overview} services={shown} withInstances={isFull} nowMs={nowMs} />
      {shown.length === 0 && (
        <p class="empty">{isTroubleOnly ? 'No service is in trouble.' : 'No service has this in its name.'}</p>
      )}
    </section>
  )
}

function Summary(props: {
  readonly overview: OverviewAnswer
  readonly nowMs: number
  readonly progress: string | null
}): JSX.Element {
  const { overview, nowMs, progress } = props
  const { projects } = useLive()
  const isOfSeveral = useIsOfSeveral()
  const { services, instances, details, daemon, operation } = overview
  const lasting = services.filter(({ kind }) => kind === 'replicas' || kind === 'singleton')
  const ready = lasting.reduce((sum, service) => sum + Math.min(service.ready, service.desired), 0)
  const desired = lasting.reduce((sum, service) => sum + service.desired, 0)
  const traffic = details.map((detail) => detail.traffic).filter((known) => known !== null)
  const sum = (values: readonly (number | null)[]): number => values.reduce<number>((total, value) => total + (value ?? 0), 0)
  return (
    <dl class="summary">
      <div>
        <dt>Ready</dt>
        <dd class={ready < desired ? 'tone-busy' : undefined}>
          {ready} <small>of {plural(desired, 'instance')}</small>
        </dd>
      </div>
      {isOfSeveral ? (
        <div>
          <dt>Projects</dt>
          <dd>{projects.length}</dd>
        </div>
      ) : (
        <div>
          <dt>Revision</dt>
          <dd>
            {overview.revision === 0 ? (
              '–'
            ) : (
              <a href={addressOf({ kind: 'revision', number: overview.revision })}>{overview.revision}</a>
            )}
          </dd>
        </div>
      )}
      <div>
        <dt>CPU</dt>
        <dd>
          {formatCores(sum(instances.map(({ cpuCores }) => cpuCores)))} <small>cores</small>
        </dd>
      </div>
      <div>
        <dt>Memory</dt>
        <dd>{formatBytes(sum(instances.map(({ memoryBytes }) => memoryBytes)))}</dd>
      </div>
      {services.some(({ routes }) => routes.length > 0) && (
        <div>
          <dt>Requests</dt>
          <dd>
            {formatRate(sum(traffic.map(({ requestsPerSecond }) => requestsPerSecond)))} <small>a second</small>
          </dd>
        </div>
      )}
      <div>
        <dt>Daemon</dt>
        <dd class={daemon.condition === null ? undefined : 'tone-bad'}>
          {daemon.condition ?? (
            <>
              {formatBytes(daemon.memoryBytes)} <small>for {formatAge(daemon.startedAt, nowMs)}</small>
            </>
          )}
        </dd>
      </div>
      <div class="operation">
        <dt>Operation</dt>
        {operation === null ? (
          <dd class="none">none under way</dd>
        ) : (
          <dd>
            {describeOperation(operation)} <small>for {formatAge(operation.startedAt, nowMs)}</small>
            <small class="progress">{progress ?? `${operation.by.command} by ${operation.by.user}`}</small>
          </dd>
        )}
      </div>
    </dl>
  )
}

type Operation = NonNullable<OverviewAnswer['operation']>

function describeOperation({ kind, state, revision, project }: Operation): string {
  const what: Readonly<Record<string, string>> = {
    apply: `applying revision ${revision}`,
    rollback: `returning, as revision ${revision}`,
    scale: `scaling, revision ${revision}`,
    restart: 'restarting',
    stop: 'stopping',
    start: 'starting',
    down: 'taking everything down',
  }
  return `${project === undefined ? '' : `${project}: `}${state === 'rolling-back' ? 'rolling back: ' : ''}${what[kind] ?? kind}`
}
