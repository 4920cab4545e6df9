/** What every command is given: where it runs, what it may write to, and the tools. Nothing in `cli/` reads `process` itself. */

import type { Terminal } from './screen/terminal.ts'
import type { Tools } from './tools.ts'

export interface Context {
  readonly tools: Tools
  readonly terminal: Terminal
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly userId: number
  readonly userName: string
  readonly pid: number
  readonly version: string
  /** The Node binary and the entry that start a daemon of the same version as this command. */
  readonly node: string
  readonly entry: string
  /**
   * Calls back at each Ctrl-C (and SIGTERM) until the returned function is called; without a listener the signal ends the command.
   * `hangUp`: also when the terminal is closed (SIGHUP), with that signal's name.
   */
  onInterrupt(listener: (signal: NodeJS.Signals) => void, options?: { readonly hangUp: boolean }): () => void
}
