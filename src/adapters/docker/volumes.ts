/**
 * Volumes of a container are directories of the state, bound into it. Who writes there is a number inside the image, so a new one is
 * given to the number that the service names; a name is the image's own business, and its entry point's.
 */

import { chownSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

import type { StartOrder } from '../../ports/runtime.ts'

export function prepareVolumes(stateDirectory: string, { volumes, user }: StartOrder): void {
  const numbers = /^(\d+)(?::(\d+))?$/.exec(user ?? '')
  for (const { name } of volumes) {
    const path = join(stateDirectory, 'volumes', name)
    mkdirSync(path, { recursive: true, mode: 0o755 })
    if (numbers === null) continue
    const uid = Number(numbers[1])
    // What is in use already is never given to somebody else.
    if (statSync(path).uid !== uid && readdirSync(path).length === 0) chownSync(path, uid, Number(numbers[2] ?? numbers[1]))
  }
}
