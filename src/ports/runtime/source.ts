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

/** A folder of which every change is to be told, but for what the ignore rules leave out. */
export type SourceWatched = Pick<SourceRequest, 'folder' | 'ignore' | 'root'>

export interface SourceWatchOptions {
  readonly folders: readonly SourceWatched[]
  /** Absolute paths of files that count whatever the rules say, and that need not be there. */
  readonly files: readonly string[]
  /** Absolute paths of which nothing is told. */
  readonly except: readonly string[]
  /** Absolute paths of files and folders that came, went or changed; those that come together, together. */
  readonly onChange: (paths: readonly string[]) => void
  /** Called once when there are more folders than can be watched: changes in the others are not seen. */
  readonly onLimit: (limit: WatchLimit) => void
}

/** `folders`: more than are watched at all. `kernel`: the user has no more watches; `setting` is the sysctl that says how many. */
export type WatchLimit =
  | { readonly kind: 'folders'; readonly most: number }
  | { readonly kind: 'kernel'; readonly setting: string }
