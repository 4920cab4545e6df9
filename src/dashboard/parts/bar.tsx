/** The bar at the top: what is looked at, the views, and how fresh it all is. */

import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { formatDuration } from '../state/format.ts'
import type { Connection } from '../state/live.ts'
import { addressOf, type Place } from '../state/place.ts'
import { ProjectName } from './project-name.tsx'
import { useLive } from '../state/use-live.ts'

const views: readonly { readonly place: Place; readonly name: string; readonly also: readonly Place['kind'][] }[] = [
  { place: { kind: 'overview' }, name: 'Services', also: ['service'] },
  { place: { kind: 'events', service: null }, name: 'Events', also: [] },
  { place: { kind: 'revisions' }, name: 'Revisions', also: ['revision'] },
]

export function Bar({ place, onHelp }: { readonly place: Place; readonly onHelp: () => void }): JSX.Element {
  const { connection } = useLive()
  return (
    <header class="bar">
      <span class="brand">
        <img src="./daruma.svg" alt="Daruma" width="22" height="22" />
        <ProjectName place={place} />
      </span>
      <nav aria-label="Views">
        {views.map((view) => (
          <a
            href={addressOf(view.place)}
            aria-current={view.place.kind === place.kind ? 'page' : view.also.includes(place.kind) ? 'true' : undefined}
          >
            {view.name}
          </a>
        ))}
      </nav>
      <Freshness connection={connection} />
      <button type="button" class="help-button" aria-label="Keyboard shortcuts" aria-keyshortcuts="?" onClick={onHelp}>
        ?
      </button>
    </header>
  )
}

function Freshness({ connection }: { readonly connection: Connection }): JSX.Element {
  const age = useAge(connection)
  const words: Readonly<Record<Connection['kind'], readonly [tone: string, text: string]>> = {
    connecting: ['quiet', 'Connecting'],
    live: ['good', 'Live'],
    lost: ['bad', `${age} old`],
    denied: ['bad', 'No access'],
    unknown: ['bad', 'No project'],
  }
  const [tone, text] = words[connection.kind]
  return (
    <span class={`freshness tone-${tone}`}>
      <span class="dot" aria-hidden="true" />
      {text}
    </span>
  )
}

function useAge(connection: Connection): string {
  const [, tick] = useState(0)
  useEffect(() => {
    if (connection.kind !== 'lost') return
    const timer = setInterval(() => tick((count) => count + 1), 1000)
    return () => clearInterval(timer)
  }, [connection.kind])
  return connection.kind === 'lost' ? formatDuration(Date.now() - connection.sinceMs) : ''
}
