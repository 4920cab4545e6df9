/** Bytes both ways between two sockets, after which nothing more is known about them: WebSockets and raw TCP. */

import type { Socket } from 'node:net'
import type { ClientConnection } from '../clients/client.ts'
import type { PoolState } from '../upstreams/pool.ts'
import { renderProxyHeader } from '../clients/proxy-protocol.ts'
import { openSocket, type UpstreamState } from '../upstreams/upstream.ts'

const mostTries = 3
const samePauseMs = 100

/**
 * A socket to one of the pool's upstreams, or null when none took it: a connection that was refused has carried nothing, so another may be
 * tried. The upstream counts as busy until the socket closes.
 */
export function dial(
  pool: PoolState,
  client: ClientConnection,
  done: (upstream: UpstreamState | null, socket: Socket | null) => void,
  tried: readonly UpstreamState[] = [],
): void {
  const upstream = pool.pick(tried, performance.now(), Math.random())
  if (upstream === null || tried.length >= mostTries) return done(tried.at(-1) ?? null, null)
  if (tried.length > 0) pool.tally.retried += 1
  const tryNow = (): void => {
    upstream.active += 1
    upstream.requests += 1
    const { host, port } = upstream.spec
    openSocket({ host, port, allowHalfOpen: true }, (error, socket) => {
      if (socket === null) {
        upstream.active -= 1
        upstream.fail(performance.now())
        return client.socket.destroyed ? done(upstream, null) : dial(pool, client, done, [...tried, upstream])
      }
      socket.once('close', () => (upstream.active -= 1))
      upstream.succeed()
      if (pool.spec.sendProxy) socket.write(renderProxyHeader(client.endpoints))
      if (client.socket.destroyed) socket.destroy()
      return done(upstream, socket)
    })
  }
  if (tried.includes(upstream)) setTimeout(tryNow, samePauseMs)
  else tryNow()
}

/**
 * Joins the two until both directions have ended, one breaks, or nothing moves for `idleMs`. Each end is passed on alone: who has said
 * all may still be listening.
 */
export function join(client: Socket, upstream: Socket, idleMs: number, done: () => void): void {
  let open = 2
  let movedBefore = -1
  const pair = [client, upstream] as const
  for (const [socket, other] of [pair, pair.toReversed() as [Socket, Socket]] as const) {
    socket.on('error', () => other.destroy())
    const close = (): void => {
      if (!other.destroyed) other.destroySoon()
      if (--open === 0) done()
    }
    // One that had gone before it could be joined says so no second time.
    if (socket.closed) setImmediate(close)
    else socket.on('close', close)
    socket.setTimeout(idleMs, look)
    socket.pipe(other)
  }

  /** The clock of one socket does not know of the other's bytes. */
  function look(this: Socket): void {
    const moved = client.bytesRead + client.bytesWritten + upstream.bytesRead + upstream.bytesWritten
    if (moved === movedBefore) for (const socket of pair) socket.destroy()
    movedBefore = moved
  }
}

/** One connection of a `tcp` listener. */
export function tunnel(client: ClientConnection, pool: PoolState | undefined): void {
  const { socket, traffic, origin } = client
  const startedAt = performance.now()
  socket.on('error', () => undefined)
  if (pool === undefined) {
    socket.destroy()
    return
  }
  const { tally } = pool
  tally.requests += 1
  tally.active += 1
  dial(pool, client, (upstream, upstreamSocket) => {
    if (upstreamSocket === null) {
      tally.failed += 1
      socket.destroy()
      return end(upstream, 0, 0)
    }
    return join(socket, upstreamSocket, traffic.limits.tunnelTimeoutMs, () =>
      end(upstream, socket.bytesRead, upstreamSocket.bytesRead),
    )
  })

  function end(upstream: UpstreamState | null, bytesIn: number, bytesOut: number): void {
    const durationMs = performance.now() - startedAt
    tally.active -= 1
    tally.bytesIn += bytesIn
    tally.bytesOut += bytesOut
    tally.took(durationMs)
    if (!traffic.log.isOn) return
    traffic.log.add({ address: origin.address, request: null, bytesOut, durationMs, upstream: upstream?.spec.id ?? null })
  }
}
