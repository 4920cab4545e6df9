/** What may be written for a service of a container image. The sentences are those of `docs/reference/config.md`. */

import type { Secret } from './secret.ts'

export type Image = string | ImageArchive | ImageBuild

export interface ImageArchive {
  /**
   * A file made by `docker save`, or an OCI layout in a tar file; it is loaded where the image is needed. Default: none.
   */
  readonly archive: string
  readonly build?: never
  readonly file?: never
}

export interface ImageBuild {
  readonly archive?: never
  /**
   * A folder that the image is built from; it is built again when a file in it changes that `.dockerignore` does not name. Default:
   * none.
   */
  readonly build: string
  /** The Dockerfile, from the folder that is built. Default: `'Dockerfile'`. */
  readonly file?: string | undefined
}

export interface Registry {
  /** The user name at the registry. Default: required. */
  readonly username: string
  /** The password or token, named and not written. Default: required. */
  readonly password: Secret
}

/** A few of capabilities(7), without `CAP_`; any other is a string. */
export type Capability =
  | 'CHOWN'
  | 'DAC_OVERRIDE'
  | 'FOWNER'
  | 'IPC_LOCK'
  | 'NET_ADMIN'
  | 'NET_BIND_SERVICE'
  | 'NET_RAW'
  | 'SETGID'
  | 'SETUID'
  | 'SYS_NICE'
  | (string & {})
