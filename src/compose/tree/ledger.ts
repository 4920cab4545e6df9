/**
 * What is to be said about a Compose file: problems, which stop the import, and notes, each about something that is not carried
 * over. Both know their line. A note always says what to do instead.
 */

import type { LocatedProblem } from '../../core/config/render-problems.ts'
import type { Place } from './tree.ts'

export interface Note {
  readonly at: Place | null
  /** Keys from the root, as a person would say them: `services.web.logging.driver`. */
  readonly path: string
  readonly message: string
  readonly instead: string
}

/** More are cut off: a file that is no Compose file at all would be one long list. */
const mostProblems = 50

export class Ledger {
  readonly #sources = new Map<string, readonly string[]>()
  readonly #problems: LocatedProblem[] = []
  readonly notes: Note[] = []
  /** By the name of a YAML anchor, the keys of the mapping: what people called the things that they share. */
  readonly anchors: Map<string, readonly string[]> = new Map()
  #count = 0

  /** Lets problems show the line that they are about. */
  addSource(file: string, text: string): void {
    this.#sources.set(file, text.split(/\r?\n/))
  }

  get hasProblems(): boolean {
    return this.#count > 0
  }

  problem(
    code: string,
    at: Place | null,
    path: readonly string[],
    message: string,
    help: { readonly allowed?: string; readonly suggestion?: string | null } = {},
  ): void {
    this.#count += 1
    if (this.#count > mostProblems) return
    this.#problems.push({
      code,
      path,
      message,
      allowed: help.allowed ?? null,
      suggestion: help.suggestion ?? null,
      file: at?.file ?? null,
      line: at?.line ?? null,
      column: at?.column ?? null,
      source: at === null ? null : (this.#sources.get(at.file)?.[at.line - 1] ?? null),
    })
  }

  note(at: Place | null, path: string, message: string, instead: string): void {
    this.notes.push({ at, path, message, instead })
  }

  /** In the order of the files; a file that is read twice (as an include, say) does not say it twice. */
  get problems(): readonly LocatedProblem[] {
    const seen = new Set<string>()
    const shown = this.#problems.filter((problem) => {
      const key = JSON.stringify([problem.code, problem.file, problem.line, problem.column, problem.message])
      return !seen.has(key) && seen.add(key)
    })
    const rest = this.#count - this.#problems.length
    if (rest === 0) return shown
    return [
      ...shown,
      {
        ...shown[0]!,
        file: null,
        line: null,
        column: null,
        source: null,
        path: [],
        allowed: null,
        suggestion: null,
        message: `and ${rest} more`,
      },
    ]
  }
}
