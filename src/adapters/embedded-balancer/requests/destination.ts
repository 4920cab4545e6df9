/** Where a request goes, decided from its head alone: to a pool, or to an answer of our own. Plain requests and upgrades share it. */

import type { IncomingMessage } from 'node:http'
import type { ClientConnection } from '../clients/client.ts'
import { readHead, readTarget, type Head } from '../clients/head.ts'
import type { PoolState } from '../upstreams/pool.ts'
import { ruleFor } from './route.ts'

export type Destination =
  | { readonly kind: 'pool'; readonly pool: PoolState; readonly head: Head; readonly target: string }
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly head: Head
      readonly headers: readonly string[]
      readonly body: string | null
    }
  /** With the end of the connection: what comes next on it cannot be trusted, or shall not be read. */
  | { readonly kind: 'refusal'; readonly status: number }

/** As many as HAProxy is told to take. */
export const mostHeaders: number = 256

const challengePath = '/.well-known/acme-challenge/'

export function findDestination(client: ClientConnection, request: IncomingMessage): Destination {
  const { traffic, entrance, origin } = client
  const head = readHead(request.rawHeaders, request.httpVersion, origin)
  client.expectBody(request, head.length)
  if (head.problem !== null) return { kind: 'refusal', status: 400 }
  if (request.rawHeaders.length > 2 * mostHeaders) return { kind: 'refusal', status: 431 }
  const url = request.url ?? ''
  // Node's own limit leaves out what stands between names and values, and stops only what is far beyond it.
  if (head.bytes + url.length > traffic.limits.headerBytes) return { kind: 'refusal', status: 431 }
  if (url === '*' && request.method === 'OPTIONS') return answer(204, head)
  const target = readTarget(url, head.host)
  const match = entrance.router.match(head.host ?? '')
  if (target === null || match.name === null) return { kind: 'refusal', status: 400 }
  if (!origin.isTls && target.startsWith(challengePath)) {
    const challenge = traffic.challenges.get(target.slice(challengePath.length))
    if (challenge !== undefined) return { ...answer(200, head), body: challenge }
  }
  const action = ruleFor(match.rules, target)?.action
  if (action === undefined) return answer(404, head)
  if (action.kind === 'redirect') {
    const port = action.httpsPort === 443 ? '' : `:${action.httpsPort}`
    const isSafe = request.method === 'GET' || request.method === 'HEAD'
    return { ...answer(isSafe ? 301 : 308, head), headers: ['location', `https://${match.name}${port}${target}`] }
  }
  const { bodyBytes } = traffic.limits
  if (bodyBytes !== null && typeof head.length === 'number' && head.length > bodyBytes) return { kind: 'refusal', status: 413 }
  const pool = traffic.pool(action.pool)
  return pool === undefined ? answer(503, head) : { kind: 'pool', pool, head, target }
}

function answer(status: number, head: Head): Extract<Destination, { readonly kind: 'answer' }> {
  return { kind: 'answer', status, head, headers: [], body: null }
}
