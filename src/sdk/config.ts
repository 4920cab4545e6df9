/** What a config file exports: an object, or a function of the stage that returns one. */

import type { Balancer } from './balancer.ts'
import type { Notify } from './notify.ts'
import type { Service } from './service.ts'

export interface Config {
  /** The name of the project. Another name is another project, with a state of its own. Default: required. */
  readonly name: string
  /** What runs, by name; at most 10,000. Default: required. */
  readonly services: Readonly<Record<string, Service | undefined>>
  /** The balancer in front of all routes. */
  readonly balancer?: Balancer | undefined
  /**
   * Where to send a notice when something is in trouble, and when that is over; see [notify](#notify). Default: none: no notices
   * are sent.
   */
  readonly notify?: Notify | readonly Notify[] | undefined
}

export interface Context {
  /** The stage that was asked for (`daruma up --stage production`); null without one. */
  readonly stage: string | null
}

export type ConfigFunction = (context: Context) => Config | Promise<Config>
