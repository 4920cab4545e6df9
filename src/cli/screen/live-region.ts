/**
 * A few lines at the bottom of the terminal that are redrawn in place, with finished lines scrolling away above them. Never taller
 * than the terminal, because lines that have scrolled off cannot be taken back; never used where stdout is not a terminal.
 */

import type { Terminal } from './terminal.ts'
import { truncate } from '../render/width.ts'

/** Ten times a second is smooth to the eye and costs nothing over a slow SSH line. */
const redrawIntervalMs = 100

export class LiveRegion implements Disposable {
  readonly #terminal: Terminal
  readonly #draw: () => readonly string[]
  readonly #timer: NodeJS.Timeout
  #drawn = 0

  constructor(terminal: Terminal, draw: () => readonly string[]) {
    this.#terminal = terminal
    this.#draw = draw
    terminal.write(hideCursor)
    this.#timer = setInterval(() => this.#redraw([]), redrawIntervalMs)
    this.#redraw([])
  }

  /** Prints lines that stay, above the region. */
  print(lines: readonly string[]): void {
    this.#redraw(lines)
  }

  /** Leaves the last drawing where it is and gives the cursor back. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#redraw([])
    this.#terminal.write(showCursor)
  }

  #redraw(above: readonly string[]): void {
    const columns = this.#terminal.columns()
    const lines = this.#draw()
      .slice(0, Math.max(1, this.#terminal.rows() - 2))
      .map((line) => truncate(line, columns - 1))
    const back = this.#drawn === 0 ? '\r' : `\r\u001B[${this.#drawn}A`
    const text = [...above, ...lines].map((line) => `${line}\n`).join('')
    this.#terminal.write(`${back}\u001B[J${text}`)
    this.#drawn = lines.length
  }
}

const hideCursor = '\u001B[?25l'
const showCursor = '\u001B[?25h'
