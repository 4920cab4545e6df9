/** Reading a folder into a release, on the side where the folder is: that of the command. */

export interface SourceRequest {
  /** Absolute. */
  readonly folder: string
  /** Patterns beside those of the ignore files. */
  readonly ignore: readonly string[]
  /** Absolute: ignore files count from here down to the folder, where it is inside of it. */
  readonly root: string
  /** Absolute paths that are never part of a release: the config itself, the state directory. */
  readonly except: readonly string[]
}

export interface ReadRelease {
  readonly folder: string
  /** The manifest, of which the digest is. */
  readonly text: string
  readonly digest: string
}

/** What is wrong with a folder, with one of the codes of sources; `message` names the path. */
export interface SourceFault {
  readonly code: string
  readonly message: string
  readonly allowed: string | null
}

export type SourceAnswer = { readonly release: ReadRelease } | { readonly faults: readonly SourceFault[] }
