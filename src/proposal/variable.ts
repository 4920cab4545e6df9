/** A text that holds variables: what it is today, and how it came about. */

/** A piece of a text: written as it stands, or what a variable gives. */
export type Part = string | Variable

export interface Variable {
  readonly name: string
  /** Which of Compose's four forms it is: `${X}`, `${X:-…}` and `${X-…}`, `${X:?…}` and `${X?…}`, `${X:+…}` and `${X+…}`. */
  readonly form: 'plain' | 'default' | 'required' | 'instead'
  /** Whether an empty value counts as none (the colon). */
  readonly isEmptyNone: boolean
  /** What stands behind the operator. */
  readonly operand: readonly Part[]
  /** What it gives today. */
  readonly value: string
  /** What a file beside the Compose file (`.env`) says, or the shell; null for nobody. */
  readonly known: string | null
}
