/** The production source of randomness. */

import { randomBytes } from 'node:crypto'
import type { Random } from '../../ports/random.ts'

export const nodeRandom: Random = {
  fraction: () => Math.random(),
  hex: (bytes: number) => randomBytes(bytes).toString('hex'),
}
