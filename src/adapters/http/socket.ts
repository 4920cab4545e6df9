/**
 * The API's transport for commands: HTTP/1.1 with JSON on a unix socket of mode 0600, so that whoever reaches it may do everything.
 * `node:http` and a table serve: a framework's megabytes would be in every daemon (decision 5).
 */

import { chmodSync, existsSync, statSync, unlinkSync } from 'node:fs'
import type { Server } from 'node:http'
import { dirname } from 'node:path'
import { createServer } from '../../system/node-http.ts'
import type { Route } from '../../ports/api.ts'
import type { Log } from '../../ports/log.ts'
import { answerCall } from './exchange.ts'

/** A reader that is this far behind is cut off, not buffered for without end. */
const maxUnsentBytes = 8 * 2 ** 20

/** How soon a socket that somebody has removed is made again. */
const lookEveryMs = 1000

export interface SocketOptions {
  /** Where to listen: valid as long as it listens. */
  readonly address: string
  /** The socket's real path, for its mode. */
  readonly file: string
  readonly routes: readonly Route[]
  readonly log: Log
  readonly lookEveryMs?: number
}

export interface Listening {
  /** Calls that are under way are cut off. */
  close(): void
}

/**
 * Listens until it is closed, also where somebody removes or replaces the socket: it is made again, and those who are connected stay so.
 * Throws where it cannot listen at first.
 */
export async function serve(options: SocketOptions): Promise<Listening> {
  const servers = new Set<Server>()
  const folder = dirname(options.file)
  const folderInode = inodeOf(folder)
  let inode = await listen(options, servers)
  const look = async (): Promise<void> => {
    // A folder that was moved away has taken its socket along; what stands at its place is not ours.
    if (inodeOf(options.file) === inode || inodeOf(folder) !== folderInode) return
    // First, because it removes the file at its address. Calls under way end as they would have.
    for (const server of servers) server.close()
    try {
      inode = await listen(options, servers)
      options.log.write('warn', `${options.file} was removed or replaced; it was made again`)
    } catch (error) {
      options.log.write('error', `${options.file} was removed or replaced, and could not be made again: ${String(error)}`)
    }
  }
  let looking: Promise<void> | null = null
  const timer = setInterval(() => {
    looking ??= look().finally(() => (looking = null))
  }, options.lookEveryMs ?? lookEveryMs)
  timer.unref()
  return {
    close() {
      clearInterval(timer)
      for (const server of servers) {
        server.close()
        server.closeAllConnections()
      }
    },
  }
}

const inodeOf = (file: string): number | null => statSync(file, { throwIfNoEntry: false })?.ino ?? null

async function listen(options: SocketOptions, servers: Set<Server>): Promise<number | null> {
  // A socket file of a former daemon: we hold the directory's lock, so nobody listens on it.
  if (existsSync(options.file)) unlinkSync(options.file)
  const server = createServer((request, response) => {
    answerCall({ routes: options.routes, maxUnsentBytes }, request, response).catch((error: unknown) =>
      options.log.write('error', `api: ${String(error)}`),
    )
  })
  // A body that is streamed may take as long as it likes, as long as it comes: `exchange.ts` has the limits.
  server.requestTimeout = 0
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.address, resolve)
  })
  chmodSync(options.file, 0o600)
  servers.add(server)
  server.once('close', () => servers.delete(server))
  return inodeOf(options.file)
}
