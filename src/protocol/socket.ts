/**
 * Where the daemon listens: `daemon.sock` in its state directory. The one thing to know: a unix socket's address holds 107 bytes, and
 * a state directory may be longer, so a long path is reached through an open descriptor of the directory
 * (`/proc/self/fd/N/daemon.sock`). The daemon binds and the command connects by the same rule.
 */

import { closeSync, constants, existsSync, openSync } from 'node:fs'
import { join } from 'node:path'

import { DarumaError } from '../ports/error.ts'

/** sun_path is 108 bytes on Linux and 104 on the BSDs, one of them for the closing NUL; some are left for the kernel's own prefixes. */
const maxAddressBytes = 100

export const socketName: string = 'daemon.sock'

export interface SocketAddress extends Disposable {
  /** What `listen` and `connect` take. Valid until disposed: dispose it after the server has closed, or the connection is open. */
  readonly path: string
}

/** Throws `E_STATE_PATH_TOO_LONG` where the path does not fit and there is no /proc, and ENOENT where the directory is not there. */
export function socketAddress(stateDirectory: string): SocketAddress {
  const path = join(stateDirectory, socketName)
  if (Buffer.byteLength(path) <= maxAddressBytes) return { path, [Symbol.dispose]: () => undefined }
  if (!existsSync('/proc/self/fd')) {
    throw new DarumaError('E_STATE_PATH_TOO_LONG', `The state directory's path is too long for a socket: ${stateDirectory}.`, {
      hint: `Choose one of at most ${maxAddressBytes - socketName.length - 1} bytes with --state.`,
    })
  }
  const descriptor = openSync(stateDirectory, constants.O_RDONLY | constants.O_DIRECTORY)
  return { path: `/proc/self/fd/${descriptor}/${socketName}`, [Symbol.dispose]: () => closeSync(descriptor) }
}
