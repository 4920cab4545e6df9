/** Which project a config in reach means, as a command learns it with the daemon's version. */
export interface ProjectOfFile {
  readonly id: string
  readonly stage: string | null
  /** Null where no config was ever read for it. */
  readonly file: string | null
}
