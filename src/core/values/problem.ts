/**
 * A refusal as a value: what is wrong, where, what is allowed. The loader adds the file's line; the core knows only the path.
 */

export interface Problem {
  /** Stable, listed in `docs/errors.md`: `E_CONFIG_UNKNOWN_KEY`. */
  readonly code: string
  /** Keys from the root: `['services', 'web', 'replicas']`; empty for the whole config. */
  readonly path: readonly string[]
  /** One sentence with the value in it. */
  readonly message: string
  /** What would be accepted, or null where the message says it already. */
  readonly allowed: string | null
  /** The nearest right spelling, or null where nothing is near. */
  readonly suggestion: string | null
}
