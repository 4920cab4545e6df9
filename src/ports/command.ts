/** Runs a prepared command to its end: exec probes. Never rejects; a time-out kills what it started and is a failure. */
export interface CommandRunner {
  run(
    plan: { readonly command: readonly string[]; readonly environment: Readonly<Record<string, string>> },
    timeoutMs: number,
  ): Promise<{ readonly code: number | null; readonly output: string }>
}
