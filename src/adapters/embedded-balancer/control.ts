/**
 * The control socket of the process, mode 0600: `PUT /table` makes a table true and answers what of it could not be, `GET /counters` tells
 * the counters. One request at a time is all that the daemon sends.
 */

import { once } from 'node:events'
import { chmodSync, rmSync } from 'node:fs'
import type { IncomingMessage, Server } from 'node:http'
import type { RoutingTable } from '../../core/balance/table.ts'
import { createServer } from '../../system/node-http.ts'
import { controlAddress, controlFile } from './files.ts'
import type { TakenPort } from './clients/front.ts'
import type { Counters } from './requests/traffic.ts'

/** What of a table could not be made true. */
export interface Shortfall {
  readonly ports: readonly TakenPort[]
  readonly certificates: readonly string[]
}

/** What the daemon can ask for, whichever process does it. */
export interface Controlled {
  apply(table: RoutingTable): Promise<Shortfall>
  look(): Counters | Promise<Counters>
  /** Rejects when the process that did it is gone. */
  readonly lost?: Promise<never>
  /** Accepts nothing more, finishes what is under way for as long as the limit. */
  end(limitMs: number): Promise<void>
}

/** Ten thousand upstreams are about 2 MB. */
const longestTable = 64 * 1024 * 1024

/** A socket that an earlier process left is replaced: only one of them runs at a time, which the slot's lock sees to. */
export async function serveControl(directory: string, controlled: Controlled): Promise<Server> {
  const server = createServer((request, response) => {
    answer(request, controlled).then(
      (body) => response.end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(400).end(JSON.stringify({ problem: (error as Error).message })),
    )
  })
  rmSync(controlFile(directory), { force: true })
  using address = controlAddress(directory)
  server.listen(address.path)
  await once(server, 'listening')
  chmodSync(address.path, 0o600)
  return server
}

async function answer(request: IncomingMessage, controlled: Controlled): Promise<unknown> {
  if (request.method === 'GET' && request.url === '/counters') return controlled.look()
  if (request.method === 'PUT' && request.url === '/table') return controlled.apply(await readTable(request))
  throw new Error(`${request.method} ${request.url} is not known here`)
}

async function readTable(request: IncomingMessage): Promise<RoutingTable> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > longestTable) throw new Error('the table is too large')
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as RoutingTable
}
