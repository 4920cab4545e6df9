/**
 * Which configs root's daemons run, as other users may know it: `/run/daruma/configs/<SHA-256 of the path>`. Nobody but root can list the folder, so
 * that a mark tells only those something who know the path already. By it a command notices that `sudo` was forgotten.
 */

import { createHash } from 'node:crypto'
import { join } from 'node:path'

export const configMarks = '/run/daruma/configs'

export interface ConfigMark {
  readonly stateId: string
  /** The state directory. */
  readonly state: string
}

export const configMarkOf = (file: string): string => join(configMarks, createHash('sha256').update(file).digest('hex'))
