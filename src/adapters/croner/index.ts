/**
 * The {@link Cron} port on the croner library, used for its arithmetic only: none of its timers is ever started. What a newcomer would
 * get wrong is the nights when clocks change. A time that is named outright (`30 2 * * *`, `0 2,14 * * *`) runs once on such a night:
 * in a gap at the first time that exists, in a doubled hour at the first of the two. Anything with a wildcard or a step goes by what
 * clocks show: nothing in a gap, both passes of a doubled hour. This is what Vixie's cron does (cron(8), "Daylight Saving Time").
 */

import { Cron as Croner } from 'croner'

import type { Cron } from '../../ports/cron.ts'
import { explainCronFault, explainTimezoneFault } from './errors.ts'

export const cronerCron: Cron = {
  findFault(cron, timezone) {
    const fault = explainTimezoneFault(timezone) ?? explainShape(cron)
    if (fault !== null) return fault
    try {
      if (nextWithin(compile(cron, timezone), Date.now()) !== null) return null
    } catch (error) {
      return explainCronFault(cron, error)
    }
    return `"${cron}" never fires: no such date comes within ten years`
  },
  next: (cron, timezone, afterMs) => nextWithin(compile(cron, timezone), afterMs),
  last(cron, timezone, { afterMs, untilMs }) {
    const { croner, lasts } = compile(cron, timezone)
    // Croner gives runs strictly before its reference, and counts one in the same second as before it.
    const search = (): number | null => croner.previousRuns(1, new Date(untilMs + 1))[0]?.getTime() ?? null
    const foundMs = recall(lasts, Math.floor(untilMs / 1000), search)
    return foundMs !== null && foundMs > afterMs ? foundMs : null
  },
}

const tenYearsMs = 10 * 366 * 24 * 3600 * 1000

function nextWithin({ croner, nexts }: Compiled, afterMs: number): number | null {
  const search = (): number | null => croner.nextRun(new Date(afterMs))?.getTime() ?? null
  const foundMs = recall(nexts, Math.floor(afterMs / 1000), search)
  return foundMs !== null && foundMs - afterMs <= tenYearsMs ? foundMs : null
}

/** The last few answers by the second that was asked for (ticks are whole seconds): many schedules with one expression ask the same. */
const maxRecalled = 8

function recall(known: Map<number, number | null>, second: number, search: () => number | null): number | null {
  const before = known.get(second)
  if (before !== undefined) return before
  const found = search()
  if (known.size >= maxRecalled) known.clear()
  known.set(second, found)
  return found
}

const nickname = /^@[a-z]+$/i

/** Croner takes more than cron expressions: a date is a run once, and a `?` means the moment when it is read, so it never means the same twice. */
function explainShape(cron: string): string | null {
  const words = cron.trim().split(/\s+/)
  if (words.length === 1 && nickname.test(cron.trim())) return null
  if (words.length !== 5 && words.length !== 6)
    return `"${cron}" has ${cron.trim() === '' ? 0 : words.length} fields; a cron expression has five (minute hour day month weekday), or six with seconds in front`
  return cron.includes('?') ? `"${cron}" has a "?", which means something else each time it is read; write "*"` : null
}

/** A compiled expression takes a tenth of a millisecond, and 80 kB (croner keeps a flag for each year up to 9999): only those in use are kept. */
const compiledLimit = 64
const compiledByText = new Map<string, Compiled>()

interface Compiled {
  readonly croner: Croner
  readonly nexts: Map<number, number | null>
  readonly lasts: Map<number, number | null>
}

function compile(cron: string, timezone: string): Compiled {
  const key = `${timezone} ${cron}`
  const known = compiledByText.get(key)
  if (known !== undefined) return known
  const croner = new Croner(cron.trim(), { timezone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard', paused: true })
  const compiled = { croner, nexts: new Map(), lasts: new Map() }
  if (compiledByText.size >= compiledLimit) compiledByText.clear()
  compiledByText.set(key, compiled)
  return compiled
}
