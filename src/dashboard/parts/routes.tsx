/** Where a service can be reached: what a browser can open is a link, and opens apart. */

import type { JSX } from 'preact'
import type { ServiceStatus } from '../../protocol/api.ts'

export function Routes({ routes }: { readonly routes: ServiceStatus['routes'] }): JSX.Element {
  return (
    <>
      {routes.map(({ url }) => {
        const link = linkOf(url)
        const text = url.replace(/\/$/, '')
        return link === null ? (
          <span class="route" key={url} title={url}>
            {text}
          </span>
        ) : (
          <a class="route" key={url} href={link} target="_blank" rel="noreferrer" title={url}>
            {text}
          </a>
        )
      })}
    </>
  )
}

/** `http://*:8080/` is every address of the machine: the one that this page came from is among them. A name with a `*` is no address. */
function linkOf(url: string): string | null {
  const link = url.replace(/^(https?:\/\/)\*(?=[:/])/, `$1${location.hostname}`)
  return /^https?:/.test(link) && !link.includes('*') ? link : null
}
