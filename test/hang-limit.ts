/**
 * How long a test waits for something that must happen before it says that it never will. It is a limit for hangs: on a machine that is
 * busy with other work a run becomes slower by it and not red. What takes how long is measured by the benches.
 */

/** A run of mutants sets it lower: there, what is waited for often never comes. */
const usualMs = Number(process.env['TEST_HANG_LIMIT_MS'] ?? 120_000)

/** `wantedMs` is what the test thinks is long; it is never given less than a hang's. */
export const hangLimit = (wantedMs: number): number => Math.max(wantedMs, usualMs)
