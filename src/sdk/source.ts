/** What may be written for `source`. The sentences are those of `docs/reference/config.md`. */

import type { Command } from './command.ts'
import type { Duration, Size } from './quantity.ts'

export interface Source {
  /** The folder whose files are the release. Default: required. */
  readonly path: string
  /**
   * What of the folder is no part of the release, in the language of `.gitignore`. It counts after the `.gitignore` and
   * `.darumaignore` files from the folder of the config downwards; `.git` and the config itself are never part of one. Default: `[]`.
   */
  readonly ignore?: readonly string[] | undefined
  /**
   * A command that makes the files ready to run, once for each release, in a copy that it may write; what it leaves is what runs. A
   * command alone, or an object. Default: none.
   */
  readonly build?: Command | Build | undefined
}

export interface Build {
  /** What is run, in the copy: a string by `/bin/sh -c`, an array directly. Exit code 0 is success. Default: required. */
  readonly command: Command
  /** The longest that a build may take; then it is ended and has failed. Default: `'10m'`. */
  readonly timeout?: Duration | undefined
  /** The most CPU that a build gets, in cores. Default: no limit. */
  readonly cpu?: number | undefined
  /** The most memory that a build gets; beyond it the kernel ends the build. Default: no limit. */
  readonly memory?: Size | undefined
  /** The most processes and threads that a build gets. Default: no limit. */
  readonly pids?: number | undefined
}
