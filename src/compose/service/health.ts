/**
 * `healthcheck`. A check by curl or wget of the program's own port is written as what it is, a GET: it needs no curl in the image and
 * no process for each look. Docker's defaults differ from ours, so they are written out where the file relies on them.
 */

import { Code } from '../../proposal/code.ts'
import { withoutSecret } from './container.ts'
import { looksSecret } from './secret-names.ts'
import type { ServiceDraft } from './service.ts'
import type { Part } from '../../proposal/variable.ts'
import { get, type Mapping, textOf, type Tree } from '../tree/tree.ts'
import {
  below,
  readBoolean,
  durationText,
  readDurationMs,
  readList,
  readNumber,
  readText,
  readWords,
  refuseValue,
  type Spot,
} from '../tree/values.ts'

/** Docker's (moby, `daemon/health.go`). */
const dockerDefaults = { intervalMs: 30_000, timeoutMs: 30_000, retries: 3 }
/** Ours: what equals them is left out. */
const defaultStartPeriodMs = 60_000

/** Whether the file says how to tell that the service is well. */
export function hasHealth(service: Mapping): boolean {
  const check = get(service, 'healthcheck')
  const test = get(check, 'test')
  const first = test?.kind === 'list' ? textOf(test.items[0]) : undefined
  return test !== undefined && textOf(get(check, 'disable')) !== 'true' && first !== 'NONE'
}

export function carryHealth(draft: ServiceDraft): void {
  draft.with('healthcheck', (tree, spot) => {
    if (tree.kind !== 'mapping') return refuseValue(tree, spot, 'a mapping with test, interval, …')
    for (const [key, { at }] of tree.entries) {
      if (!known.has(key)) draft.note(`healthcheck.${key}`, at, 'a health check has no such key', 'look for the right spelling')
    }
    const disable = get(tree, 'disable')
    const isOff = disable !== undefined && readBoolean(disable, below(spot, 'disable')) === true
    const test = get(tree, 'test')
    if (isOff) return
    if (test === undefined) {
      draft.note(
        'healthcheck',
        tree.at,
        "the check is the image's own (HEALTHCHECK), and a config does not see it",
        "health: { exec: '…' } with the command from the image",
      )
      return
    }
    const check = readTest(test, below(spot, 'test'), draft)
    if (check === null) return
    draft.written['health'] = { ...check, ...numbersOf(tree, spot, draft) }
  })
}

const known: ReadonlySet<string> = new Set([
  'test',
  'interval',
  'timeout',
  'retries',
  'start_period',
  'start_interval',
  'disable',
])

function readTest(test: Tree, spot: Spot, draft: ServiceDraft): Readonly<Record<string, unknown>> | null {
  if (test.kind === 'scalar') {
    const line = readText(test, spot)
    return line === undefined ? null : (byHttp(plainOf(line), draft) ?? { exec: inContainer(line, test, draft) })
  }
  const words = readList(test, spot) === undefined ? undefined : readWords(test, spot)
  const [first, ...rest] = words ?? []
  const kind = first === undefined ? undefined : plainOf(first)
  if (kind === 'NONE') return null
  if ((kind !== 'CMD' && kind !== 'CMD-SHELL') || rest.length === 0) {
    refuseValue(test, spot, "['CMD', program, …], ['CMD-SHELL', 'a command line'] or ['NONE']")
    return null
  }
  const byLook = byHttp(rest.map(plainOf).join(' '), draft)
  if (byLook !== null) return byLook
  const place = { key: 'healthcheck', at: test.at }
  if (kind === 'CMD') return { exec: rest.map((word) => withoutSecret(word, place, draft)) }
  return { exec: inContainer(asOneLine(rest), test, draft) }
}

const plainOf = (word: string | Code): string => (word instanceof Code ? String(word.value) : word)

function asOneLine(words: readonly (string | Code)[]): string | Code {
  const parts = words.flatMap((word, index): readonly Part[] => [
    ...(index === 0 ? [] : [' ']),
    ...(word instanceof Code ? word.parts : [word]),
  ])
  const line = new Code(parts, 'text')
  return line.variables.length === 0 ? plainOf(line) : line
}

/** A line for the container's shell: a secret that the container has as a variable is taken from there, and written nowhere. */
function inContainer(line: string | Code, test: Tree, draft: ServiceDraft): string | Code {
  if (!(line instanceof Code)) return line
  const { environment = {}, secrets = {} } = draft.written as Readonly<Record<string, Readonly<Record<string, unknown>>>>
  const inside = new Map(
    Object.entries({ ...environment, ...secrets }).flatMap(([name, value]) => {
      const { from, name: outside } = (value ?? {}) as { readonly from?: unknown; readonly name?: unknown }
      return from === 'environment' && typeof outside === 'string' ? [[outside, name] as const] : []
    }),
  )
  const parts = line.parts.map((part, index): Part => {
    const name = typeof part === 'string' || !looksSecret(part.name, null) ? undefined : inside.get(part.name)
    if (name === undefined) return part
    const next = line.parts[index + 1]
    return typeof next === 'string' && /^\w/.test(next) ? `\${${name}}` : `$${name}`
  })
  const told = withoutSecret(new Code(parts, 'text'), { key: 'healthcheck', at: test.at }, draft)
  return told instanceof Code && told.variables.length === 0 ? plainOf(told) : told
}

/** Plain looks only: nothing piped, no header, no method; and only at the port that the program is known to listen on. */
function byHttp(line: string, draft: ServiceDraft): { readonly http: string } | null {
  const match =
    /^(?:curl|wget)((?:\s+-{1,2}[\w-]+(?:=\S+)?|\s+\/dev\/null)*)\s+["']?http:\/\/(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::(\d+))?(\/[^\s"'?]*)?["']?\s*(?:(?:>|-O)\s*\/dev\/null)?\s*(?:\|\|\s*(?:exit\s+1|false))?$/.exec(
      line.trim(),
    )
  if (match === null) return null
  const [, flags = '', port = '80', path = '/'] = match
  if (/(?:^|\s)-(?:[A-Za-z]*[XHduk]|-(?:header|data|user|request|insecure|post))/.test(flags)) return null
  return Number(port) === draft.written['containerPort'] ? { http: path } : null
}

function numbersOf(tree: Mapping, spot: Spot, draft: ServiceDraft): Readonly<Record<string, unknown>> {
  const duration = (key: string): number | undefined => {
    const value = get(tree, key)
    return value === undefined ? undefined : readDurationMs(value, below(spot, key))
  }
  const intervalMs = duration('interval')
  const timeoutMs = duration('timeout')
  const retriesTree = get(tree, 'retries')
  const retries = retriesTree === undefined ? undefined : readNumber(retriesTree, below(spot, 'retries'))
  const retriesNow = (retries instanceof Code ? Number(retries.value) : retries) ?? dockerDefaults.retries
  // Docker calls a container unhealthy when its failures count and there are enough; ours is ended when it never became healthy.
  const startPeriodMs = (duration('start_period') ?? 0) + retriesNow * (intervalMs ?? dockerDefaults.intervalMs)
  if (intervalMs === undefined || timeoutMs === undefined)
    draft.remarks['health'] = "Where the Compose file says nothing, Docker's 30s stand here."
  duration('start_interval')
  return {
    interval: durationText(intervalMs ?? dockerDefaults.intervalMs),
    timeout: durationText(timeoutMs ?? dockerDefaults.timeoutMs),
    ...(retries === undefined || retries === 3 ? {} : { retries }),
    ...(startPeriodMs > defaultStartPeriodMs ? { startPeriod: durationText(startPeriodMs) } : {}),
  }
}
