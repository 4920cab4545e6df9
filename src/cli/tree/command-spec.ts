/** What is said of a command, its arguments and flags: the words that the tree is written in. */

import type { Context } from '../context.ts'
import type { Invocation } from './invocation.ts'

export type Run = (context: Context, invocation: Invocation) => Promise<number>

export interface CommandSpec {
  readonly name: string
  readonly aliases?: readonly string[]
  /** One line, for the list of commands. */
  readonly summary: string
  /** Further sentences, for the command's own help and its reference. */
  readonly detail?: string
  readonly arguments?: readonly ArgumentSpec[]
  readonly flags?: readonly FlagSpec[]
  readonly examples: readonly ExampleSpec[]
  readonly exits?: readonly ExitSpec[]
  readonly children?: readonly CommandSpec[]
  /** Not shown, not documented: for the completion scripts. */
  readonly isHidden?: boolean
  /** Everything after the arguments belongs to another program. */
  readonly passesThrough?: boolean
  readonly load?: () => Promise<Run>
}

export interface ArgumentSpec {
  /** `<service>`, `[services...]`: commander's notation. */
  readonly syntax: string
  readonly summary: string
  readonly completes?: 'service' | 'target' | 'project' | 'shell'
}

export interface FlagSpec {
  /** `-n, --lines <count>`: commander's notation. */
  readonly syntax: string
  readonly summary: string
  readonly completes?: 'service' | 'project' | 'file' | 'directory'
  /** May be given more than once, or with commas. */
  readonly isList?: boolean
}

export interface ExampleSpec {
  readonly command: string
  readonly meaning: string
}

export interface ExitSpec {
  readonly code: string
  readonly meaning: string
}
