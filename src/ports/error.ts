/**
 * An operating error: the world said no, and the program is right. Bugs are asserts; refusals of a user's input are
 * `Problem` values. Every code is listed in `docs/errors.md`; a test compares the two.
 */
export class DarumaError extends Error {
  /** `E_...`, stable. */
  readonly code: string
  /** What the person can do next, or null. */
  readonly hint: string | null

  constructor(code: string, message: string, options: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'DarumaError'
    this.code = code
    this.hint = options.hint ?? null
  }
}
