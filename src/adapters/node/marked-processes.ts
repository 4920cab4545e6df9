/**
 * Processes that carry a variable in their environment, wherever they stand in the tree: what a container's engine has begun for us is
 * nobody's child here. Only processes whose environment this user may read are found, which are those that it may end.
 */

import { readFile, readdir } from 'node:fs/promises'

/** `marker` is `NAME=value`. */
export async function findMarked(marker: string): Promise<readonly number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue
    const environment = await readFile(`/proc/${name}/environ`, 'latin1').catch(() => '')
    if (`\0${environment}`.includes(`\0${marker}\0`)) found.push(Number(name))
  }
  return found
}

/** Process or (negative) group; one that has ended, or is not ours to end, is left alone. */
export function killQuietly(id: number): void {
  try {
    process.kill(id, 'SIGKILL')
  } catch {
    // ESRCH or EPERM (kill(2)).
  }
}
