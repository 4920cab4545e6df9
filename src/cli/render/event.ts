/** One event as one line: when, where, which epoch, what, and why. */

import type { EventKind, RecordedEvent } from '../../core/model/event.ts'
import { toneOfEvent, type EventTone } from '../../core/model/event-tone.ts'
import type { Paint, Palette } from '../screen/colour.ts'
import { formatDay, formatTime } from './quantity.ts'
import { displayWidth, padEnd, padStart, sanitise, wrap } from './width.ts'

/** Remembers the day, so that it is printed once, and the widest slot and epoch seen, so that the lines stay aligned. */
export class EventLines {
  readonly #palette: Palette
  #day = ''
  #slotWidth = 10
  #epochWidth = 8
  readonly #columns: () => number

  constructor(palette: Palette, columns: () => number) {
    this.#palette = palette
    this.#columns = columns
  }

  render(event: RecordedEvent): string[] {
    const palette = this.#palette
    const day = formatDay(event.at)
    const heading = day === this.#day ? [] : [palette.dim(`— ${day} —`)]
    this.#day = day
    const slot = event.slot ?? 'daruma'
    this.#slotWidth = Math.max(this.#slotWidth, slot.length)
    const where = event.slot === null ? palette.dim(slot) : slot
    const epoch = event.epoch === null ? '' : String(event.epoch)
    this.#epochWidth = Math.max(this.#epochWidth, epoch.length)
    const cause = event.cause === null ? '' : ` ${palette.dim(`← ${sanitise(event.cause, false)}`)}`
    const message = paintOf(event.kind, palette)(sanitise(`${openings[event.kind] ?? ''}${event.message}`, false))
    const head = [
      palette.dim(formatTime(event.at)),
      padEnd(where, this.#slotWidth),
      palette.dim(padStart(epoch, this.#epochWidth)),
    ]
    const start = `${head.join('  ')}  `
    return [...heading, wrap(`${start}${message}${cause}`, this.#columns(), displayWidth(start))]
  }
}

/** What is not about a slot has no subject of its own. */
const openings: Readonly<Partial<Record<EventKind, string>>> = {
  'daemon-started': 'the daemon started: ',
  'daemon-stopped': 'the daemon stopped: ',
  'host-rebooted': 'the machine was rebooted: ',
}

function paintOf(kind: EventKind, palette: Palette): Paint {
  const paints: Readonly<Record<EventTone, Paint>> = {
    bad: palette.red,
    uneasy: palette.yellow,
    good: palette.green,
    plain: (text) => text,
  }
  return paints[toneOfEvent(kind)]
}
