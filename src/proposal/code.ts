/**
 * A value that stands in a config as an expression: a text with variables of the environment in it. It knows what it gives today, so
 * that the config's own reader can judge it before anything is written.
 */

import type { Part, Variable } from './variable.ts'

export class Code {
  readonly parts: readonly Part[]
  readonly as: 'text' | 'number'

  constructor(parts: readonly Part[], as: 'text' | 'number') {
    this.parts = joined(parts)
    this.as = as
  }

  get value(): string | number {
    const text = this.parts.map((part) => (typeof part === 'string' ? part : part.value)).join('')
    return this.as === 'number' ? Number(text) : text
  }

  get variables(): readonly Variable[] {
    return this.parts.filter((part) => typeof part !== 'string')
  }
}

/** Texts that stand side by side are one: a dollar sign at the end of one and a brace at the beginning of the next would become code. */
function joined(parts: readonly Part[]): readonly Part[] {
  const whole: Part[] = []
  for (const part of parts) {
    const last = whole.at(-1)
    if (typeof part === 'string' && typeof last === 'string') whole[whole.length - 1] = last + part
    else whole.push(part)
  }
  return whole
}

/** The data of today: what the config's reader will see. */
export function evaluated(value: unknown): unknown {
  if (value instanceof Code) return value.value
  if (Array.isArray(value)) return value.map(evaluated)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, evaluated(item)]))
}
