/** The folder that a service runs in. */

import { stat } from 'node:fs/promises'

/** Null when there is nothing to say: one that we may not look at may still be the service's user's. */
export async function explainDirectory(path: string): Promise<string | null> {
  try {
    return (await stat(path)).isDirectory() ? null : `the directory ${path} is not one, but a file`
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ENOTDIR' ? `the directory ${path} does not exist` : null
  }
}
