/**
 * The program that starts another process on this Node. Mostly this very binary; where it runs only because `bin/node` gave it a
 * library, that file, since the environment of anyone who starts it (a supervisor, systemd, a service) is not ours.
 */

import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const launcher = fileURLToPath(new URL('../../../bin/node', import.meta.url))
const libraries = fileURLToPath(new URL('../../../bin/lib/', import.meta.url))

export const ownNode: string = (process.env['LD_LIBRARY_PATH'] ?? '').split(':').some((path) => path.startsWith(libraries))
  ? launcher
  : process.execPath

/** The end of every service's PATH: there `node` is found on a machine that has only ours. */
export const ownNodeDirectory: string = dirname(ownNode)
