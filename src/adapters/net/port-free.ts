/**
 * Is a port free? Only listening tells. Both wildcards are asked, because a listener on any single address of a family is in the
 * way of that family's wildcard, and `::` alone would cover IPv4 only where the host says so (`net.ipv6.bindv6only`). By the C library's own
 * calls: a server of Node's costs a start some turns of the event loop.
 */

import { constants } from 'node:os'

import { libc } from '../../system/libc.ts'

/** False also where listening is not allowed (a port below 1024 without the right to it). */
export function isPortFree(port: number): Promise<boolean> {
  const isFree = libc().tryListen(4, port) === 0 && isFreeOrAbsent(libc().tryListen(6, port))
  return Promise.resolve(isFree)
}

const { EAFNOSUPPORT, EADDRNOTAVAIL, EINVAL } = constants.errno

/** A family that this host does not have is in nobody's way. */
const isFreeOrAbsent = (error: number): boolean => [0, EAFNOSUPPORT, EADDRNOTAVAIL, EINVAL].includes(error)
