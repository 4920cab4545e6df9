/** A box whose content grows at its end: it stays at the end while its reader does, and lets them read when they have scrolled away. */

import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'

/** Closer to the end than this is "at the end": a line that is just coming must not count as scrolled away. */
const slackPx = 24
/** As long after a key or a wheel that goes up, being near the end is no wish to stay there. */
const goingUpMs = 500
const keysUp: ReadonlySet<string> = new Set(['ArrowUp', 'PageUp', 'Home'])

export function Follow(props: {
  readonly label: string
  readonly class: string
  readonly children: ComponentChildren
  /** Changes when there is more. */
  readonly version: unknown
}): JSX.Element {
  const box = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const [isAtEnd, setAtEnd] = useState(true)
  useLayoutEffect(() => {
    const element = box.current
    if (element === null || content.current === null || !isAtEnd) return
    const pin = (): void => {
      element.scrollTop = element.scrollHeight
    }
    pin()
    // Lines are as high as they are only once they are seen, and a box as wide as its window: both come after this.
    const observer = new ResizeObserver(pin)
    observer.observe(content.current)
    observer.observe(element)
    return () => observer.disconnect()
  }, [props.version, isAtEnd])
  useEffect(() => {
    const element = box.current
    if (element === null) return
    let { scrollTop: before, scrollHeight: height } = element
    let wentUpMs = -Infinity
    // At once: the scrolling itself is told only later, and a line that comes meanwhile has then taken it back.
    const turn = (isUp: boolean): void => {
      wentUpMs = isUp ? performance.now() : -Infinity
      if (isUp && element.scrollHeight > element.clientHeight) setAtEnd(false)
    }
    const onWheel = ({ deltaY }: WheelEvent): void => turn(deltaY < 0)
    const onKey = ({ key }: KeyboardEvent): void => turn(keysUp.has(key))
    const look = (): void => {
      const { scrollTop, scrollHeight, clientHeight } = element
      const isNear = scrollHeight - scrollTop - clientHeight < slackPx
      // The first pixels upwards count, also of a finger or the bar. Away from the end without having gone up, it is the end that has moved,
      // and not the reader; up because there is less, neither has.
      if (scrollTop < before && (scrollHeight >= height || !isNear)) setAtEnd(false)
      else if (isNear && performance.now() - wentUpMs > goingUpMs) setAtEnd(true)
      before = scrollTop
      height = scrollHeight
    }
    const stopping = new AbortController()
    const how = { passive: true, signal: stopping.signal }
    element.addEventListener('scroll', look, how)
    element.addEventListener('wheel', onWheel, how)
    element.addEventListener('keydown', onKey, how)
    return () => stopping.abort()
  }, [])
  return (
    <div class="follow">
      <div
        ref={box}
        class={`follow-box ${props.class}${isAtEnd ? ' at-end' : ''}`}
        role="log"
        aria-live="off"
        aria-label={props.label}
        tabIndex={0}
      >
        <div ref={content}>{props.children}</div>
      </div>
      {!isAtEnd && (
        <button type="button" class="to-end" onClick={() => setAtEnd(true)}>
          To the end
        </button>
      )}
    </div>
  )
}
