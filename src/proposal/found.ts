/** What was found that says what should run, before anything is decided about it. */

export interface Found {
  /** From package.json or the Compose file, else the folder's name; not yet a valid project name. */
  readonly name: string
  readonly services: readonly FoundService[]
  /** Of the whole project: files that could not be read, parts of a Compose file that have no counterpart. */
  readonly notes: readonly string[]
  /** For refusing what this machine cannot hold. */
  readonly hostMemoryBytes: number
  /** Only root can limit what services use. */
  readonly isRoot: boolean
}

export interface FoundService {
  /** As its source calls it; not yet a valid service name. */
  readonly name: string
  /** `Procfile`, `package.json "start"`, `compose.yaml`. */
  readonly source: string
  /** Keys of a service as a config writes them; what is wrong with them is found out by the config's own reader. */
  readonly written: Readonly<Record<string, unknown>>
  /** What the source says and a config cannot say. */
  readonly notes: readonly string[]
  /** Why a key is as it is, where that was a choice; by key, or `environment.NAME`. */
  readonly remarks: Readonly<Record<string, string>>
}
