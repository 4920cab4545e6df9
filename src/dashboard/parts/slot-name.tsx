/** The name of a slot where room is short: what is cut off is the service's name, which stands above, and never which slot it is. */

import type { JSX } from 'preact'

/** So much is there everywhere. */
const shortLength = 22

export function SlotName({ slot }: { readonly slot: string }): JSX.Element {
  const at = slot.lastIndexOf('/')
  if (at < 0 || slot.length <= shortLength) return <>{slot}</>
  return (
    <>
      <span class="silent">{slot}</span>
      <span class="slot-name" aria-hidden="true">
        <span>{slot.slice(0, at)}</span>
        <span>{slot.slice(at)}</span>
      </span>
    </>
  )
}
