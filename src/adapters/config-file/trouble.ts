/** Why a config could not even be evaluated, and where: a problem that has a place in a file instead of a path of keys. */

export interface Trouble {
  readonly code: string
  readonly message: string
  readonly allowed: string | null
  readonly suggestion: string | null
  readonly place: Position | { readonly at: 'default export' } | null
}

/** Lines and columns count from 1. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number | null
}
