/**
 * Runs a prepared command to its end: exec probes. Never rejects. At its time-out it has failed, whatever its processes do; they are
 * killed, and as long as one of them is still there the same command is not begun again, which is a failure too.
 */
export interface CommandRunner {
  run(
    plan: {
      readonly command: readonly string[]
      readonly environment: Readonly<Record<string, string>>
      /** As in `ExecPlan`. */
      readonly marker?: string
    },
    timeoutMs: number,
  ): Promise<{ readonly code: number | null; readonly output: string }>
}
