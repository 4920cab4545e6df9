/** Where a service can be reached: what a browser can open is a link, and opens apart. */

import type { JSX } from 'preact'
import type { ServiceStatus } from '../protocol/api.ts'

export function Routes({ routes }: { readonly routes: ServiceStatus['routes'] }): JSX.Element {
  return (
    <>
      {routes.map(({ url }) =>
        /^https?:/.test(url) && !url.includes('*') ? (
          <a class="route" key={url} href={linkOf(url)} target="_blank" rel="noreferrer" title={url}>
            {url.replace(/\/$/, '')}
          </a>
        ) : (
          <span class="route" key={url} title={url}>
            {url}
          </span>
        ),
      )}
    </>
  )
}

/** `http://:8080/` is every address of the machine: the one that this page came from is among them. */
const linkOf = (url: string): string => url.replace('://:', `://${location.hostname}:`)
