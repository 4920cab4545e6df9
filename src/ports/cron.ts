/** Cron expressions over IANA time zones. Instants are milliseconds since 1970 UTC: the only place where wall time decides anything. */

export interface Cron {
  /** Why the pair cannot be used, as a sentence naming what is wrong ("there is no timezone Asia/Tokio"); null when it can. */
  findFault(cron: string, timezone: string): string | null
  /** The first tick strictly after the instant; null when there is none in the next ten years. */
  next(cron: string, timezone: string, afterMs: number): number | null
  /** The last tick at or before the instant and strictly after `afterMs`; null when there is none. */
  last(cron: string, timezone: string, window: { readonly afterMs: number; readonly untilMs: number }): number | null
}
