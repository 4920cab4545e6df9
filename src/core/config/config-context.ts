/** What a config cannot know of the machine that it is read on: given by the caller that loads it, so that the core asks nothing. */

export interface ConfigContext {
  /** Absolute folder of the config file. */
  readonly directory: string
  readonly stage: string | null
  /** Whether Daruma runs as root. */
  readonly root: boolean
  readonly hostMemoryBytes: number
  /** Null where no schedule is to be judged. */
  readonly wallTime: WallTime | null
}

/** What is known of wall time: `ports/cron.ts` and the time zones of this machine. */
export interface WallTime {
  /** Why the expression cannot be used in the time zone, or never fires, as a sentence that names it; null when it can. */
  readonly findFault: (cron: string, timezone: string) => string | null
  /** Aliases (`Asia/Calcutta`) are time zones too. */
  readonly isTimezone: (name: string) => boolean
  readonly timezones: () => readonly string[]
}
