/**
 * Asks the daemon with the token that came in the address. The token is taken out of the address at once (it would stand in the history)
 * and kept for this tab alone; it goes out only as a header, which no other site can make a browser send. Every question is about the project
 * that the address names, or about all of them.
 */

import { readProject } from './place.ts'

const tokenKey = 'daruma-token'
const quickLimitMs = 10_000

/** `denied`: the token is missing or not the daemon's any more. `away`: nobody answers. `unknown`: the daemon has no such project. */
export class Trouble extends Error {
  readonly kind: 'denied' | 'away' | 'unknown' | 'refused'

  constructor(kind: Trouble['kind'], message: string) {
    super(message)
    this.kind = kind
  }
}

/** Takes a token from `#token=…` and leaves the address without it; true when there was one. */
export function takeToken(): boolean {
  const found = /^#token=([\w-]+)$/.exec(location.hash)?.[1]
  if (found === undefined) return false
  sessionStorage.setItem(tokenKey, found)
  history.replaceState(null, '', '#/')
  return true
}

export async function askDaemon<Answer>(path: string, signal: AbortSignal): Promise<Answer> {
  const response = await open(path, AbortSignal.any([signal, AbortSignal.timeout(quickLimitMs)]))
  return (await response.json()) as Answer
}

/** Each line of a stream as it comes. Ends when the daemon ends it; throws when it is cut. */
export async function* followDaemon<Line>(path: string, signal: AbortSignal): AsyncGenerator<Line, void> {
  const response = await open(path, signal)
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (reader === undefined) return
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      const lines = (rest + value).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line !== '') yield JSON.parse(line) as Line
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

async function open(path: string, signal: AbortSignal): Promise<Response> {
  const token = sessionStorage.getItem(tokenKey)
  if (token === null) throw new Trouble('denied', 'This tab has no token.')
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(ofProject(path), { headers, signal, cache: 'no-store', credentials: 'omit' }).catch(
    (error: unknown) => {
      if (signal.aborted && !(signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError')) throw error
      throw new Trouble('away', 'The daemon does not answer.')
    },
  )
  if (response.ok) return response
  if (response.status === 401) throw new Trouble('denied', 'The daemon no longer accepts this tab’s token.')
  const answer = (await response.json().catch(() => null)) as {
    error?: { code?: string; message?: string }
  } | null
  const kind = answer?.error?.code === 'E_PROJECT_UNKNOWN' ? 'unknown' : 'refused'
  throw new Trouble(kind, answer?.error?.message ?? `The daemon answered with ${response.status}.`)
}

function ofProject(path: string): string {
  const project = readProject(location.search)
  return project === null ? path : `${path}${path.includes('?') ? '&' : '?'}project=${encodeURIComponent(project)}`
}
