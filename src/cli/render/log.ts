/** Log lines with aligned prefixes, each slot in a colour of its own. What programs print is passed on without control characters. */

import type { LogLine } from '../../protocol/api.ts'
import type { Palette, Paint } from '../colour.ts'
import { padEnd, sanitise } from './width.ts'

export class LogLines {
  readonly #palette: Palette
  readonly #paints = new Map<string, Paint>()
  #width: number

  /** `slots`: those that are known already, so that the first line has its final indent. */
  constructor(palette: Palette, slots: readonly string[] = []) {
    this.#palette = palette
    this.#width = slots.reduce((widest, slot) => Math.max(widest, slot.length), 0)
  }

  render(line: LogLine): string {
    this.#width = Math.max(this.#width, line.slot.length)
    const prefix = this.#paint(line.slot)(`${padEnd(line.slot, this.#width)} │`)
    return `${prefix} ${sanitise(line.line, this.#palette.isColoured)}`
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
