/**
 * Is a port free? Only listening tells. Both wildcards are asked, because a listener on any single address of a family is in the
 * way of that family's wildcard, and `::` alone would cover IPv4 only where the host says so (`net.ipv6.bindv6only`).
 */

import { once } from 'node:events'
import { createServer } from 'node:net'

/** False also where listening is not allowed (a port below 1024 without the right to it). */
export async function isPortFree(port: number): Promise<boolean> {
  return (await canListen({ port, host: '0.0.0.0' })) && (await canListen({ port, host: '::', ipv6Only: true }))
}

/** A family that this host does not have is in nobody's way. */
const absentFamily: ReadonlySet<string | undefined> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'])

async function canListen(address: {
  readonly port: number
  readonly host: string
  readonly ipv6Only?: boolean
}): Promise<boolean> {
  const server = createServer((socket) => socket.destroy())
  try {
    server.listen({ ...address, exclusive: true })
    await once(server, 'listening')
  } catch (error) {
    return address.ipv6Only === true && absentFamily.has((error as NodeJS.ErrnoException).code)
  }
  server.close()
  await once(server, 'close')
  return true
}
