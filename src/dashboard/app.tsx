/** The frame around every view: the bar, the way past it, what is said about the connection, and the keys. */

import type { JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { Bar } from './parts/bar.tsx'
import { EventsView } from './views/events.tsx'
import { Help } from './parts/help.tsx'
import { useKeys } from './keys.ts'
import { OverviewView } from './views/overview.tsx'
import { addressIn, addressOf, readPlace, type Place } from './state/place.ts'
import { RevisionView } from './views/revision.tsx'
import { RevisionsView } from './views/revisions.tsx'
import { ServiceView } from './views/service.tsx'
import { Notice } from './parts/notice.tsx'
import { useLive, useLiveSource, useSubject } from './state/use-live.ts'

export function App(): JSX.Element {
  const live = useLiveSource()
  const { connection, overview, project } = useLive()
  const subject = useSubject()
  const place = usePlace()
  const [isHelpOpen, setHelpOpen] = useState(false)
  const main = useRef<HTMLElement>(null)
  useKeys({ onHelp: () => setHelpOpen(true) })
  const focused = place.kind === 'service' ? place.name : null
  useEffect(() => live.focus(focused), [live, focused])
  useTitle(place, overview === null ? null : subject)
  useFocusOnMove(main, addressOf(place))

  return (
    <>
      <a
        class="skip"
        href={addressOf(place)}
        onClick={(event) => {
          event.preventDefault()
          main.current?.focus()
        }}
      >
        Skip to the content
      </a>
      <Bar place={place} onHelp={() => setHelpOpen(true)} />
      <main class={connection.kind === 'lost' ? 'view stale' : 'view'} ref={main} tabIndex={-1} id="main">
        {connection.kind === 'denied' ? (
          <Denied message={connection.message} />
        ) : connection.kind === 'unknown' ? (
          <section>
            <h1>There is no such project</h1>
            <p class="empty">{connection.message}</p>
          </section>
        ) : overview === null ? (
          <p class="quiet">{connection.kind === 'lost' ? 'The daemon does not answer. Trying again…' : 'Asking the daemon…'}</p>
        ) : (
          <View place={place} key={addressIn(project, place)} />
        )}
      </main>
      {overview !== null && connection.kind !== 'denied' && (
        <footer class="foot">
          <span>This page only looks. Changes are made with the daruma command.</span>
          <span>
            daruma {overview.version} on {overview.host}, daemon pid {overview.daemon.pid}
          </span>
        </footer>
      )}
      <Notice />
      <Help isOpen={isHelpOpen} onClose={() => setHelpOpen(false)} />
    </>
  )
}

function View({ place }: { readonly place: Place }): JSX.Element {
  switch (place.kind) {
    case 'overview':
      return <OverviewView />
    case 'service':
      return <ServiceView name={place.name} />
    case 'events':
      return <EventsView service={place.service} />
    case 'revisions':
      return <RevisionsView />
    case 'revision':
      return <RevisionView number={place.number} />
  }
}

function Denied({ message }: { readonly message: string }): JSX.Element {
  return (
    <section class="denied">
      <h1>This page needs its link</h1>
      <p>{message}</p>
      <p>
        Run <code>daruma ui</code> on this machine and open what it prints: the link holds a token that lets this tab look.
      </p>
    </section>
  )
}

function usePlace(): Place {
  const [place, setPlace] = useState(() => readPlace(location.hash))
  useEffect(() => {
    const move = (): void => setPlace(readPlace(location.hash))
    // Told of every move: to another view, to another project, and back.
    addEventListener('popstate', move)
    return () => removeEventListener('popstate', move)
  }, [])
  return place
}

const titles: Readonly<Record<Place['kind'], string>> = {
  overview: 'Services',
  service: '',
  events: 'Events',
  revisions: 'Revisions',
  revision: 'Revision',
}

function useTitle(place: Place, project: string | null): void {
  const subject =
    place.kind === 'service' ? place.name : place.kind === 'revision' ? `Revision ${place.number}` : titles[place.kind]
  useEffect(() => {
    document.title = [subject, project, 'Daruma'].filter((part) => part !== null && part !== '').join(' · ')
  }, [subject, project])
}

/** Who moves by keyboard or hears the page begins at the top of the new view, as after a page load. */
function useFocusOnMove(main: { readonly current: HTMLElement | null }, address: string): void {
  const isFirst = useRef(true)
  // With the view and not after it: anyone who is quick with the next key has his focus taken away again otherwise.
  useLayoutEffect(() => {
    if (isFirst.current) {
      isFirst.current = false
      return
    }
    scrollTo(0, 0)
    main.current?.focus({ preventScroll: true })
  }, [main, address])
}
