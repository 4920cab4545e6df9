/** What a service prints, followed. It can be held to be read, and cut down to what contains a word; the daemon has taken secrets out. */

import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { LogLine, LogNote } from '../../protocol/api.ts'
import { followDaemon } from '../state/daemon-client.ts'
import { Follow } from '../parts/follow.tsx'
import { plural } from '../state/format.ts'

const linesAtFirst = 300
const linesKept = 2000
const retryMs = 1000

interface Line extends LogLine {
  readonly number: number
}

export function LogView({ service, slots }: { readonly service: string; readonly slots: readonly string[] }): JSX.Element {
  const [isHeld, setHeld] = useState(false)
  const [filter, setFilter] = useState('')
  const [slot, setSlot] = useState('')
  const lines = useLogLines(slot === '' ? service : slot)
  const held = useRef(lines)
  if (!isHeld) held.current = lines
  const words = filter.toLowerCase()
  const shown = words === '' ? held.current : held.current.filter(({ line }) => line.toLowerCase().includes(words))
  const waiting = isHeld ? (lines.at(-1)?.number ?? 0) - (held.current.at(-1)?.number ?? 0) : 0
  return (
    <section aria-labelledby="logs">
      <div class="section-head">
        <h2 id="logs">Logs</h2>
        <div class="tools">
          {slots.length > 1 && (
            <select aria-label="Slot" value={slot} onChange={(event) => setSlot(event.currentTarget.value)}>
              <option value="">All slots</option>
              {slots.map((each) => (
                <option key={each} value={each}>
                  {each}
                </option>
              ))}
            </select>
          )}
          <input
            type="search"
            data-filter
            placeholder="Filter"
            aria-label="Filter log lines"
            aria-keyshortcuts="/"
            value={filter}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
          <button type="button" data-hold aria-pressed={isHeld} aria-keyshortcuts="p" onClick={() => setHeld(!isHeld)}>
            {isHeld ? `Go on (${Math.max(0, waiting)} new)` : 'Hold'}
          </button>
        </div>
      </div>
      <Follow label={`Logs of ${service}`} class="logs tall" version={shown.at(-1)?.number}>
        {shown.length === 0 && (
          <p class="quiet">
            {words === '' ? 'Nothing was printed yet.' : `None of ${plural(held.current.length, 'line')} has this in it.`}
          </p>
        )}
        {shown.map((line) => (
          <div class="log-line" key={line.number}>
            <time class="at" dateTime={line.at} title={`${line.at}${line.epoch === null ? '' : `, instance ${line.epoch}`}`}>
              {timeOfDay(line.at)}
            </time>
            {slots.length > 1 && slot === '' && <span class="slot">{line.slot.slice(line.slot.lastIndexOf('/') + 1)}</span>}
            <span>
              {missingBefore(line).map((what) => (
                <em key={what}>{what} </em>
              ))}
              {withoutControls(line.line)}
              {line.goesOn === true && <em> this line goes on</em>}
            </span>
          </div>
        ))}
      </Follow>
    </section>
  )
}

function timeOfDay(at: string): string {
  const time = new Date(at)
  const two = (number: number): string => `${number}`.padStart(2, '0')
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':')
}

/** A log says what it does not have. */
function missingBefore({ droppedBytes, isAfterGap, isCut }: LogLine): readonly string[] {
  return [
    ...(droppedBytes === undefined ? [] : [`${droppedBytes} bytes lost here: the log could not be written.`]),
    ...(isAfterGap === undefined ? [] : ['Lines removed here before they were read.']),
    ...(isCut === undefined ? [] : ['The front of this line was removed.']),
  ]
}

/** Colours and cursor movements are for terminals. */
const controls = /\u001B\[[0-9;?]*[A-Za-z]|[\u0000-\u0008\u000B-\u001F\u007F]/g
const withoutControls = (text: string): string => text.replaceAll(controls, '')

function useLogLines(target: string): readonly Line[] {
  const [lines, setLines] = useState<readonly Line[]>([])
  useEffect(() => {
    let ending = new AbortController()
    let number = 0
    let fresh: Line[] = []
    let frame = 0
    // What was shown stays until there is something in its place.
    let isAnew = true
    const draw = (): void => {
      frame = 0
      const added = fresh
      const isFirst = isAnew
      fresh = []
      isAnew = false
      setLines((known) => (isFirst ? added : [...known, ...added]).slice(-linesKept))
    }
    setLines([])
    const follow = async (signal: AbortSignal): Promise<void> => {
      while (!signal.aborted) {
        try {
          fresh = []
          isAnew = true
          const path = `/v1/logs?service=${encodeURIComponent(target)}&lines=${linesAtFirst}&follow=1`
          for await (const line of followDaemon<LogLine | LogNote>(path, signal)) {
            // Of how many lines there are, the page asks for no more than it shows.
            if ('note' in line) continue
            fresh.push({ ...line, number: (number += 1) })
            if (fresh.length > linesKept) fresh.splice(0, fresh.length - linesKept)
            if (frame === 0) frame = requestAnimationFrame(draw)
          }
        } catch {
          // The bar says that the daemon is away; when it is back its last lines are read again, so that none is shown twice.
        }
        await new Promise((resolve) => setTimeout(resolve, retryMs))
      }
    }
    const show = (): void => {
      if (document.hidden) ending.abort()
      else if (ending.signal.aborted) {
        ending = new AbortController()
        void follow(ending.signal)
      }
    }
    document.addEventListener('visibilitychange', show)
    void follow(ending.signal)
    return () => {
      document.removeEventListener('visibilitychange', show)
      cancelAnimationFrame(frame)
      ending.abort()
    }
  }, [target])
  return lines
}
