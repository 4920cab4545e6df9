/** What the kernel said, by its name: `ENOENT` is an answer here far more often than a failure. */

export const isMissing = (error: unknown): boolean => hasCode(error, 'ENOENT')

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code
}
