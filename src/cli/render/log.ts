/**
 * Log lines with their time and aligned prefixes, each slot in a colour of its own. What programs print is passed on without control
 * characters; where something of it is missing, the line says so.
 */

import type { LogLine } from '../../protocol/api.ts'
import type { Palette, Paint } from '../screen/colour.ts'
import { formatSize } from '../../core/values/quantity.ts'
import { padEnd, sanitise } from './width.ts'

export interface LogStyle {
  /** Those that are known already, so that the first line has its final indent. */
  readonly slots?: readonly string[]
  readonly hidesTime?: boolean
  /** One slot is asked for, and its name would stand before each line. */
  readonly hidesSlot?: boolean
}

export class LogLines {
  readonly #palette: Palette
  readonly #paints = new Map<string, Paint>()
  readonly #style: LogStyle
  #width: number

  constructor(palette: Palette, style: LogStyle = {}) {
    this.#palette = palette
    this.#style = style
    this.#width = (style.slots ?? []).reduce((widest, slot) => Math.max(widest, slot.length), 0)
  }

  render(line: LogLine): string {
    this.#width = Math.max(this.#width, line.slot.length)
    const { dim, isColoured } = this.#palette
    const time = this.#style.hidesTime === true ? '' : `${dim(renderTime(line.at))} `
    const slot = this.#style.hidesSlot === true ? '' : `${this.#paint(line.slot)(`${padEnd(line.slot, this.#width)} │`)} `
    const begin = [
      ...(line.droppedBytes === undefined ? [] : [`[${formatSize(line.droppedBytes)} lost here: the log could not be written] `]),
      ...(line.isAfterGap === undefined ? [] : ['[lines removed here before they were read] ']),
      ...(line.isCut === undefined ? [] : ['[the front of this line was removed] ']),
    ]
    const end = line.goesOn === undefined ? '' : ' [this line goes on]'
    return `${time}${slot}${dim(begin.join(''))}${sanitise(line.line, isColoured)}${dim(end)}`
  }

  #paint(slot: string): Paint {
    const known = this.#paints.get(slot)
    if (known !== undefined) return known
    const { series } = this.#palette
    const paint = series[this.#paints.size % series.length] ?? ((text: string) => text)
    this.#paints.set(slot, paint)
    return paint
  }
}

/** Local, to the millisecond: `11-22 03:00:00.123`. The year is in `--json`. */
export function renderTime(at: string): string {
  const time = new Date(at)
  const two = (number: number): string => `${number}`.padStart(2, '0')
  const day = `${two(time.getMonth() + 1)}-${two(time.getDate())}`
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':')
  return `${day} ${clock}.${`${time.getMilliseconds()}`.padStart(3, '0')}`
}
