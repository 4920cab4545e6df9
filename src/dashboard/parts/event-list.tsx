/** The events, in order, as `daruma events` prints them. */

import type { JSX } from 'preact'
import type { RecordedEvent } from '../../protocol/api.ts'
import { Follow } from './follow.tsx'
import { formatDay, formatTime } from '../state/format.ts'
import { SlotName } from './slot-name.tsx'
import { toneOfEvent } from '../state/tone.ts'

/** What is not about a slot has no subject of its own. */
const openings: Readonly<Partial<Record<RecordedEvent['kind'], string>>> = {
  'daemon-started': 'the daemon started: ',
  'daemon-stopped': 'the daemon stopped: ',
  'host-rebooted': 'the machine was rebooted: ',
}

/** `rows` is kept free from the beginning, so that nothing moves when events come. */
export function EventList({ events, rows }: { readonly events: readonly RecordedEvent[]; readonly rows: number }): JSX.Element {
  const size = rows > 30 ? 'tall' : rows > 10 ? 'medium' : 'short'
  return (
    <Follow label="Events" class={`events ${size}`} version={events.at(-1)?.number}>
      {events.length === 0 && <p class="quiet">Nothing has happened yet.</p>}
      <ol>
        {events.map((event, index) => {
          const day = formatDay(event.at)
          const before = events[index - 1]
          const isNewDay = before === undefined || formatDay(before.at) !== day
          return (
            <li key={event.number}>
              {isNewDay && <span class="day">{day}</span>}
              <time dateTime={event.at}>{formatTime(event.at).slice(0, 12)}</time>
              <span class="subject" title={titleOf(event)}>
                <SlotName slot={subjectOf(event)} />
              </span>
              <span class={`message tone-${toneOfEvent(event.kind)}`}>
                {openings[event.kind] ?? ''}
                {event.message}
                {event.cause !== null && <span class="cause"> ← {event.cause}</span>}
              </span>
            </li>
          )
        })}
      </ol>
    </Follow>
  )
}

/** Whether the event is about the service or one of its slots. */
export const isAbout = (event: RecordedEvent, service: string): boolean => event.slot?.startsWith(`${service}/`) === true

/** Of a run the time of day is enough to tell it from its neighbours. */
const subjectOf = ({ slot, project }: RecordedEvent): string => slot?.replace(/\/\d{4}-\d\d-\d\dT/, '/') ?? project ?? 'daruma'

const titleOf = ({ slot, project, epoch }: RecordedEvent): string =>
  [slot ?? project ?? 'daruma', epoch === null ? '' : `epoch ${epoch}`].join(' ').trim()
