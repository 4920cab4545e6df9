/** A box whose content grows at its end: it stays at the end while its reader does, and lets them read when they have scrolled away. */

import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'

/** Closer to the end than this is "at the end": a line that is just coming must not count as scrolled away. */
const slackPx = 24

export function Follow(props: {
  readonly label: string
  readonly class: string
  readonly children: ComponentChildren
  /** Changes when there is more. */
  readonly version: unknown
}): JSX.Element {
  const box = useRef<HTMLDivElement>(null)
  const [isAtEnd, setAtEnd] = useState(true)
  useLayoutEffect(() => {
    const element = box.current
    if (element !== null && isAtEnd) element.scrollTop = element.scrollHeight
  }, [props.version, isAtEnd])
  useEffect(() => {
    const element = box.current
    if (element === null) return
    const look = (): void => setAtEnd(element.scrollHeight - element.scrollTop - element.clientHeight < slackPx)
    element.addEventListener('scroll', look, { passive: true })
    return () => element.removeEventListener('scroll', look)
  }, [])
  return (
    <div class="follow">
      <div ref={box} class={`follow-box ${props.class}`} role="log" aria-live="off" aria-label={props.label} tabIndex={0}>
        {props.children}
      </div>
      {!isAtEnd && (
        <button type="button" class="to-end" onClick={() => setAtEnd(true)}>
          To the end
        </button>
      )}
    </div>
  )
}
