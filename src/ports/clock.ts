/** Time for deciding and time for people, kept apart: no decision may use {@link Clock.wallTime}, but which tick of a schedule is due. */
export interface Clock {
  /** Milliseconds on a monotonic clock with an arbitrary origin; unharmed by changes of the time of day. */
  now(): number
  /** ISO 8601 UTC with milliseconds: for events and for people. */
  wallTime(): string
  /** The wall time of a moment of the monotonic clock, as the two stand to each other now. */
  wallTimeOf(momentMs: number): string
  /** Calls back once, not before `delayMs` have passed; the handle never keeps the process alive by itself. */
  after(delayMs: number, run: () => void): Timer
}

export interface Timer {
  cancel(): void
}
