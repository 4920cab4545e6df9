/**
 * Volumes of a container are directories of the state, bound into it. Who writes there is a number inside the image, so a new one is
 * given to the number that the service names; a name is the image's own business, and its entry point's. What is in use already is
 * never given to somebody else.
 */

import { chmodSync, chownSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import type { StartOrder } from '../../../ports/runtime/runtime.ts'

export function prepareVolumes(stateDirectory: string, { volumes, runs: { user } }: StartOrder): void {
  const numbers = /^(\d+)(?::(\d+))?$/.exec(user ?? '')
  for (const { name } of volumes) {
    const path = join(stateDirectory, 'volumes', name)
    mkdirSync(path, { recursive: true })
    if (readdirSync(path).length > 0) continue
    // Two services of different users may share it; on the host the closed state directory above it keeps everybody out.
    chmodSync(path, 0o755)
    if (numbers !== null) chownSync(path, Number(numbers[1]), Number(numbers[2] ?? numbers[1]))
  }
}
