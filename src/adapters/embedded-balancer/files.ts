/** What stands in the balancer's folder, known to both ends: the last table, and the socket on which the process takes the next. */

import { closeSync, constants, openSync } from 'node:fs'
import { join } from 'node:path'

export const tableFile = (directory: string): string => join(directory, 'embedded.json')

const socketName = 'embedded.sock'

export interface ControlAddress extends Disposable {
  readonly path: string
}

/** By an open descriptor of the folder, because a socket's address holds 107 bytes and a state directory may be longer. */
export function controlAddress(directory: string): ControlAddress {
  const descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  return { path: `/proc/self/fd/${descriptor}/${socketName}`, [Symbol.dispose]: () => closeSync(descriptor) }
}

export const controlFile = (directory: string): string => join(directory, socketName)
