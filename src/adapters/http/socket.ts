/**
 * The API's transport for commands: HTTP/1.1 with JSON on a unix socket of mode 0600, so that whoever reaches it may do everything.
 * `node:http` and a table serve: a framework's megabytes would be in every daemon (decision 5).
 */

import { chmodSync, existsSync, unlinkSync } from 'node:fs'
import type { Server } from 'node:http'
import { createServer } from '../../host/node-http.ts'
import type { Route } from '../../ports/api.ts'
import type { Log } from '../../ports/log.ts'
import { answerCall } from './exchange.ts'

/** A reader that is this far behind is cut off, not buffered for without end. */
const maxUnsentBytes = 8 * 2 ** 20

/** `address` is where to listen, valid now; `file` the socket's real path, for its mode. */
export async function serve(options: {
  readonly address: string
  readonly file: string
  readonly routes: readonly Route[]
  readonly log: Log
}): Promise<Server> {
  // A socket file of a former daemon: we hold the directory's lock, so nobody listens on it.
  if (existsSync(options.file)) unlinkSync(options.file)
  const server = createServer((request, response) => {
    answerCall({ routes: options.routes, maxUnsentBytes }, request, response).catch((error: unknown) =>
      options.log.write('error', `api: ${String(error)}`),
    )
  })
  server.requestTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.address, resolve)
  })
  chmodSync(options.file, 0o600)
  return server
}
