/** What may be written for `notify`. The sentences are those of `docs/reference/config.md`. */

import type { Command } from './command.ts'
import type { Duration } from './quantity.ts'
import type { Secret } from './secret.ts'

export type NoticeTopic = 'crash-loop' | 'blocked' | 'schedule' | 'deploy'

interface Told {
  /**
   * The topics that it gets: `crash-loop` (a service fails again and again, or for good), `blocked` (something cannot be ended, so
   * nothing is started in its place), `schedule` (the last run of a schedule failed), `deploy` (a revision failed). Default: all of
   * them.
   */
  readonly on?: readonly NoticeTopic[] | undefined
  /** How long one attempt to deliver a notice may take. Default: `'10s'`. */
  readonly timeout?: Duration | undefined
}

export interface NotifyWebhook extends Told {
  /**
   * Where each notice is sent to, by POST as JSON. An answer of 200 to 299 within the time-out takes it; redirects are not
   * followed. Default: none.
   */
  readonly webhook: string | Secret
  /** Headers of the request, beside `content-type` and `daruma-notice-id`. Default: none. */
  readonly headers?: Readonly<Record<string, string | Secret>> | undefined
}

export interface NotifyCommand extends Told {
  /**
   * What is run for each notice, in the folder of the config: the JSON is on its standard input and in `DARUMA_NOTICE`. Exit code 0
   * takes the notice; what still runs of it then is ended. Default: none.
   */
  readonly command: Command
  /** Variables of the command. Default: none. */
  readonly environment?: Readonly<Record<string, string | number | boolean | Secret>> | undefined
  /** The user that the command for notices runs as (needs root). Default: the user that runs Daruma. */
  readonly user?: string | undefined
}

export type Notify = NotifyWebhook | NotifyCommand
