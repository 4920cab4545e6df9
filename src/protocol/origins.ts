/** `origins.json`, in a state directory: which config each of its projects was last applied from. */

export const originsFile: string = 'origins.json'

/** `file`: absolute; null where the config came over a pipe. */
export interface Origin {
  readonly file: string | null
  readonly stage: string | null
  readonly project: string
  /** What its files are called, which a rename does not change; missing where an earlier version wrote it. */
  readonly place?: string
}

/** What the file holds of each: also where the project has its files, so that a lost database does not cost its name. */
export interface WrittenOrigin extends Origin {
  readonly place: string
  /** Null where no config was ever read for it. */
  readonly user: string | null
  /** ISO 8601. */
  readonly at: string | null
}
