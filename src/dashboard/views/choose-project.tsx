/** In the place of what only one project has: the daemon does not answer it for several. */

import type { JSX } from 'preact'
import { addressIn, type Place } from '../state/place.ts'
import { useLive } from '../state/use-live.ts'

export function ChooseProject({ place }: { readonly place: Place }): JSX.Element {
  const { projects } = useLive()
  return (
    <>
      <p class="quiet choice-lead">Each project counts its own revisions. Choose one:</p>
      <ul class="choice">
        {projects.map((project) => (
          <li key={project}>
            <a href={addressIn(project, place)} data-row>
              {project}
            </a>
          </li>
        ))}
      </ul>
    </>
  )
}
