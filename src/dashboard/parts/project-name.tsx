/** Which project is looked at; where there are several, it can be chosen, or all of them. */

import type { JSX } from 'preact'
import { addressIn, placeElsewhere, type Place } from '../state/place.ts'
import { useLive } from '../state/use-live.ts'

export function ProjectName({ place }: { readonly place: Place }): JSX.Element {
  const { overview, project, projects } = useLive()
  const stage = overview?.stage ?? null
  // One that is gone is still what the address says: there must be a way out of it.
  const isGone = project !== null && !projects.includes(project)
  if (projects.length < 2 && !isGone)
    return (
      <>
        <span class="project">{overview?.project ?? 'Daruma'}</span>
        {stage !== null && <span class="tag">{stage}</span>}
      </>
    )
  return (
    <select
      class="project"
      aria-label="Project"
      value={project ?? ''}
      onChange={({ currentTarget: { value } }) => choose(value === '' ? null : value, placeElsewhere(place))}
    >
      <option value="">All projects</option>
      {[...projects, ...(isGone ? [project] : [])].map((each) => (
        <option key={each} value={each}>
          {each}
        </option>
      ))}
    </select>
  )
}

/** Without loading the page again, so that the focus stays where it is. A browser tells of moves, and not of this one. */
function choose(project: string | null, place: Place): void {
  history.pushState(null, '', addressIn(project, place))
  dispatchEvent(new PopStateEvent('popstate'))
}
