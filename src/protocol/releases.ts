/** What the daemon is asked, and answers, about releases and their contents. */

/** By digest. */
export interface ReleasesRequest {
  readonly digests: readonly string[]
}

export interface ReleasesAnswer {
  readonly unknown: readonly string[]
}

export interface ReleaseBegun {
  readonly digest: string
  /** SHA-256 of the contents that are not here. */
  readonly missing: readonly string[]
}

/** The beginning of a file of a release; null where it is no text. */
export interface ContentAnswer {
  readonly text: string | null
  readonly isCut: boolean
}
