/** All events that the page has received, or those of one service. */

import type { JSX } from 'preact'
import { EventList, isAbout } from '../parts/event-list.tsx'
import { plural } from '../state/format.ts'
import { addressOf } from '../state/place.ts'
import { useLive } from '../state/use-live.ts'

export function EventsView({ service }: { readonly service: string | null }): JSX.Element {
  const { events, overview } = useLive()
  const shown = service === null ? events : events.filter((event) => isAbout(event, service))
  const names = overview?.services.map((each) => each.service) ?? []
  return (
    <section>
      <div class="section-head">
        <h1>Events</h1>
        <div class="tools">
          <span class="quiet">{plural(shown.length, 'event')}</span>
          <label>
            <span class="silent">Service</span>
            <select
              data-filter
              aria-keyshortcuts="/"
              value={service ?? ''}
              onChange={(event) => {
                const { value } = event.currentTarget
                location.hash = addressOf({ kind: 'events', service: value === '' ? null : value })
              }}
            >
              <option value="">All services</option>
              {names.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </div>
      </div>
      <EventList events={shown} rows={100} />
    </section>
  )
}
