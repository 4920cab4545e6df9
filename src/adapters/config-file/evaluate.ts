/**
 * Runs the user's file and answers with what it exported. Node's own type stripping reads it; nothing is compiled or bundled.
 * One that waits forever is refused; one that loops forever is ended from outside (`guarded.ts`).
 */

import { realpathSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { explainFailure } from './explain-failure.ts'
import { hookModules } from './module-hooks.ts'
import type { Trouble } from './trouble.ts'

export type Evaluation = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly trouble: Trouble }

/** A config that fetches something has time for it; one that waits for what never comes is told so. */
const evaluationLimitMs = 30_000

/** Modules are cached by URL: a file loaded before gets another one, so that a changed file is read again. */
const evaluations = new Map<string, number>()

export async function evaluate(file: string, stage: string | null, limitMs: number = evaluationLimitMs): Promise<Evaluation> {
  const url = pathToFileURL(realpathSync(file)).href
  const count = evaluations.get(url) ?? 0
  evaluations.set(url, count + 1)
  const configUrl = count === 0 ? url : `${url}?evaluation=${count}`
  using trace = hookModules(configUrl)
  const deadlineMs = performance.now() + limitMs
  try {
    const imported = await within(limitMs, import(configUrl) as Promise<Readonly<Record<string, unknown>>>)
    if (imported === tooSlow) return { ok: false, trouble: slow('it', limitMs) }
    if (!('default' in imported)) return { ok: false, trouble: noDefault(Object.keys(imported)) }
    return await readDefault(imported['default'], stage, { limitMs, deadlineMs })
  } catch (error) {
    return { ok: false, trouble: await explainFailure(error, { file, realFile: realpathSync(file), trace }) }
  }
}

async function readDefault(
  exported: unknown,
  stage: string | null,
  { limitMs, deadlineMs }: { readonly limitMs: number; readonly deadlineMs: number },
): Promise<Evaluation> {
  const isFunction = typeof exported === 'function'
  const answer: unknown = isFunction ? (exported as (context: { readonly stage: string | null }) => unknown)({ stage }) : exported
  const value = await within(deadlineMs - performance.now(), Promise.resolve(answer))
  if (value === tooSlow) return { ok: false, trouble: slow('the promise that it gave', limitMs) }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ok: true, value }
  const what = value === undefined ? 'nothing' : value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`
  const message = isFunction ? `the function of the config returns ${what}` : `the default export of the config is ${what}`
  const allowed = isFunction
    ? 'an object: define(({ stage }) => ({ name, services }))'
    : 'export default define({ name, services })'
  return { ok: false, trouble: { code: 'E_CONFIG_EMPTY', message, allowed, suggestion: null, place: { at: 'default export' } } }
}

function noDefault(exports: readonly string[]): Trouble {
  const has =
    exports.length === 0
      ? 'the config exports nothing'
      : `the config has no default export (it exports ${exports.slice(0, 5).join(', ')})`
  return {
    code: 'E_CONFIG_NO_DEFAULT',
    message: has,
    allowed: 'export default define({ name, services })',
    suggestion: null,
    place: null,
  }
}

function slow(what: string, limitMs: number): Trouble {
  const message = `the config was not evaluated in time: ${what} did not settle within ${limitMs / 1000} s`
  return {
    code: 'E_CONFIG_SLOW',
    message,
    allowed: 'a config that waits for nothing that may not come; DARUMA_CONFIG_TIMEOUT=60s gives it more time',
    suggestion: null,
    place: null,
  }
}

const tooSlow: unique symbol = Symbol('too slow')

async function within<Value>(limitMs: number, promise: Promise<Value>): Promise<Value | typeof tooSlow> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<typeof tooSlow>((resolve) => {
    timer = setTimeout(() => resolve(tooSlow), limitMs)
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
  }
}
