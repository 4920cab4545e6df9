/** One command as it was typed: its arguments and flags, read with the type that each command expects. */

import { DarumaError } from '../../ports/error.ts'

export class Invocation {
  readonly words: readonly string[]
  readonly #flags: Readonly<Record<string, unknown>>

  constructor(words: readonly string[], flags: Readonly<Record<string, unknown>>) {
    this.words = words
    this.#flags = flags
  }

  /** The same with other flags. */
  with(flags: Readonly<Record<string, unknown>>): Invocation {
    return new Invocation(this.words, { ...this.#flags, ...flags })
  }

  has(name: string): boolean {
    return this.#flags[name] === true
  }

  text(name: string): string | null {
    const value = this.#flags[name]
    return typeof value === 'string' ? value : null
  }

  list(name: string): readonly string[] {
    const value = this.#flags[name]
    return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
  }

  /** A whole number of at least `least`; throws `E_USAGE` for anything else. */
  count(name: string, least: number): number | null {
    const text = this.text(name)
    return text === null ? null : parseCount(text, `--${name}`, least)
  }

  get json(): boolean {
    return this.has('json')
  }
}

export function parseCount(text: string, what: string, least: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value
  throw new DarumaError('E_USAGE', `${what} is "${text}", which is not a whole number of at least ${least}.`)
}
