/**
 * Where the reader is in the config, and what it found wrong. A place is a linked list, so that reading 10,000 sound services
 * builds no path; the list of problems is bounded, because one wrong helper in a config can produce thousands.
 */

import type { Problem } from './problem.ts'

/** The place of a value: its key, and the place of the object that holds it. Null is the root. */
export type Place = { readonly up: Place; readonly key: string } | null

const mostProblems = 50

export class ProblemList {
  readonly #problems: Problem[] = []
  #count = 0

  get count(): number {
    return this.#count
  }

  add(
    code: string,
    at: Place,
    message: string,
    help: { readonly allowed?: string; readonly suggestion?: string | null } = {},
  ): void {
    this.#count++
    if (this.#count > mostProblems) return
    this.#problems.push({ code, path: pathOf(at), message, allowed: help.allowed ?? null, suggestion: help.suggestion ?? null })
  }

  /** The first 50, and one that counts the rest. */
  toArray(): readonly Problem[] {
    const rest = this.#count - mostProblems
    if (rest <= 0) return this.#problems
    const message = rest === 1 ? 'There is 1 more problem' : `There are ${rest} more problems`
    return [...this.#problems, { code: 'E_CONFIG_MORE', path: [], message, allowed: null, suggestion: null }]
  }
}

function pathOf(at: Place): readonly string[] {
  const path: string[] = []
  for (let place = at; place !== null; place = place.up) path.push(place.key)
  return path.reverse()
}
