/** How a server comes to listen: it binds by itself, or is given a socket by somebody who may. */

import type { Server } from 'node:net'

/** Null when it listens, else the system's code. */
export type Listen = (server: Server, port: number, address: string) => Promise<string | null>

export const backlog = 4096

/** `*` is IPv6 and IPv4, or IPv4 alone where the host has no other. */
export const listenHere: Listen = (server, port, address) =>
  new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ port, ...(address === '*' ? {} : { host: address }), backlog }, () => {
      // What comes later (too many open files, say) concerns one connection only.
      server.on('error', () => undefined)
      resolve(null)
    })
  })
