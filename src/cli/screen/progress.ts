/**
 * What a person sees while an operation runs. In a terminal one row a service, redrawn; elsewhere one plain line for each thing that
 * happened. Failures are printed where they happen, in full, in both.
 */

import type { OperationLine } from '../../protocol/api.ts'
import type { Palette } from './colour.ts'
import { LiveRegion } from './live-region.ts'
import { renderFailure } from '../render/failure.ts'
import { formatDuration, plural } from '../render/quantity.ts'
import { padEnd, padStart, sanitise } from '../render/width.ts'
import type { Terminal } from './terminal.ts'

export interface Progress extends Disposable {
  show(line: OperationLine): void
  /** Something about the watching itself: "the daemon went away". */
  say(text: string): void
}

export function createProgress(terminal: Terminal, nowMs: () => number): Progress {
  return terminal.isInteractive ? new LiveProgress(terminal, nowMs) : new PlainProgress(terminal)
}

type ProgressLine = Extract<OperationLine, { kind: 'progress' }>

/** Whatever moves after a failure is on its way back. */
const turningBack = 'Rolling back.'

class PlainProgress implements Progress {
  readonly #terminal: Terminal
  #hasFailed = false

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  show(line: OperationLine): void {
    if (line.kind === 'progress' && this.#hasFailed) this.#terminal.print(turningBack)
    this.#hasFailed = line.kind === 'failure'
    if (line.kind === 'progress') this.#terminal.print(renderProgressLine(line))
    if (line.kind === 'failure')
      this.#terminal.print(renderFailure(line.failure, this.#terminal.palette, this.#terminal.columns()).join('\n'))
  }

  say(text: string): void {
    this.#terminal.print(text)
  }

  [Symbol.dispose](): void {}
}

/** `web/0: started (1/3 ready)`; a message that counts by itself is left alone. */
export function renderProgressLine(line: ProgressLine): string {
  const message = sanitise(line.message, false)
  const count = line.wanted > 1 && !countsItself(message) ? ` (${line.ready}/${line.wanted} ready)` : ''
  return `${line.slot ?? line.service}: ${message}${count}`
}

const countsItself = (message: string): boolean => /^\d+\/\d+ ready$/.test(message)

class LiveProgress implements Progress {
  readonly #terminal: Terminal
  readonly #nowMs: () => number
  readonly #startedMs: number
  readonly #services = new Map<string, ProgressLine>()
  readonly #failed = new Set<string>()
  readonly #region: LiveRegion
  #isOver = false

  constructor(terminal: Terminal, nowMs: () => number) {
    this.#terminal = terminal
    this.#nowMs = nowMs
    this.#startedMs = nowMs()
    this.#region = new LiveRegion(terminal, () => this.#draw())
  }

  show(line: OperationLine): void {
    if (line.kind === 'progress') {
      if (this.#failed.size > 0) this.#region.print([turningBack])
      this.#failed.clear()
      // What is done has nothing left to count: it keeps the count that it had.
      const before = this.#services.get(line.service)
      const wanted = line.wanted === 0 ? (before?.wanted ?? 0) : line.wanted
      const ready = line.wanted > 0 ? line.ready : isLastWord(line.message) ? wanted : (before?.ready ?? 0)
      this.#services.set(line.service, { ...line, ready, wanted })
      return
    }
    if (line.kind === 'end') {
      this.#isOver = true
      return
    }
    // A newer daemon may tell of more kinds than this command knows.
    if (line.kind !== 'failure') return
    this.#failed.add(line.failure.service)
    this.#region.print(
      renderFailure(line.failure, this.#terminal.palette, this.#terminal.columns()).flatMap((each) => each.split('\n')),
    )
  }

  say(text: string): void {
    this.#region.print([text])
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#region[Symbol.dispose]()
  }

  #draw(): string[] {
    const elapsedMs = this.#nowMs() - this.#startedMs
    return drawServices([...this.#services.values()], {
      failed: this.#failed,
      isOver: this.#isOver,
      elapsedMs,
      rows: this.#terminal.rows() - 3,
      palette: this.#terminal.palette,
    })
  }
}

export interface ServicesView {
  readonly failed: ReadonlySet<string>
  readonly isOver: boolean
  readonly elapsedMs: number
  readonly rows: number
  readonly palette: Palette
}

const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

/** One row a service; where they do not all fit, those that are still at work come first and the rest are counted. */
export function drawServices(lines: readonly ProgressLine[], view: ServicesView): string[] {
  const isDone = (line: ProgressLine): boolean => (line.wanted === 0 ? isLastWord(line.message) : line.ready >= line.wanted)
  const nameWidth = lines.reduce((widest, line) => Math.max(widest, line.service.length), 0)
  const countWidth = lines.reduce((widest, line) => Math.max(widest, countOf(line).length), 0)
  const ordered = lines.length <= view.rows ? lines : [...lines.filter((line) => !isDone(line)), ...lines.filter(isDone)]
  const shown = ordered.slice(0, Math.max(1, lines.length <= view.rows ? view.rows : view.rows - 1))
  const rest = ordered.slice(shown.length)
  const { palette } = view
  const frame = spinner[Math.floor(view.elapsedMs / 100) % spinner.length] ?? ''
  const markOf = (line: ProgressLine): string => {
    if (view.failed.has(line.service)) return palette.red('✗')
    if (isDone(line)) return palette.green('✓')
    return view.isOver ? palette.dim('·') : palette.cyan(frame)
  }
  const rows = shown.map((line) => {
    const where = line.slot === null || line.wanted <= 1 ? '' : `${line.slot} `
    const message = sanitise(line.message, false)
    const text = countsItself(message) ? '' : `${where}${message}`
    const count = countWidth === 0 ? [] : [padStart(countOf(line), countWidth)]
    return [`  ${markOf(line)} ${padEnd(line.service, nameWidth)}`, ...count, isDone(line) ? palette.dim(text) : text]
      .join('  ')
      .trimEnd()
  })
  const more =
    rest.length === 0
      ? []
      : [palette.dim(`    and ${plural(rest.length, 'service')} more, ${rest.filter(isDone).length} of them done`)]
  const clock = view.isOver ? [] : [palette.dim(`  ${formatDuration(view.elapsedMs)}`)]
  return [...rows, ...more, ...clock]
}

/** What counts nothing may still be at work: an image that is pulled, an instance that ends. */
const isLastWord = (message: string): boolean => /^(?:done|ended|back on revision)/.test(message)

const countOf = (line: ProgressLine): string => (line.wanted === 0 ? '' : `${line.ready}/${line.wanted}`)
