/** The states of `daruma dev`: beside the default one, or marked by a file. What runs there is for development, and never stands for what `up` runs. */

import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** The default state's path with this behind it holds a state for each config that is developed. */
export const devSuffix = '-dev'

/** In a state that was named with `--state`: made by `dev`. */
export const devMark = 'dev'

export const isDevState = (directory: string): boolean =>
  basename(dirname(directory)) === `daruma${devSuffix}` || existsSync(join(directory, devMark))
