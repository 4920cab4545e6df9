/**
 * What may be written for a service. Pairs that contradict each other (two kinds, two checks in one probe) do not type-check;
 * what types cannot see is refused when the config is loaded. The sentences are those of `docs/reference/config.md`.
 */

import type { Secret } from './secret.ts'

/** A time with its unit: `'250ms'`, `'30s'`, `'1m30s'`, `'2h'`. A number alone is refused. */
export type Duration =
  | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`
  | `${number}d${number}h`
  | `${number}h${number}m`
  | `${number}m${number}s`
  | `${number}h${number}m${number}s`

/** A size with its unit: `'512MiB'` (binary), `'1GB'` (decimal). A number alone is refused. */
export type Size = `${number}${'B' | 'KB' | 'KiB' | 'MB' | 'MiB' | 'GB' | 'GiB' | 'TB' | 'TiB'}`

/** A string is run by `/bin/sh -c`, an array directly. */
export type Command = string | readonly string[]

export type Environment = Readonly<Record<string, string | number | boolean | Secret | undefined>>

/** Exactly one kind; none of them is one replica. Kinds to come (`everyHost`, `schedule`) are further members. */
export type Kind = Replicas | Singleton | Job

export interface Replicas {
  /** How many equal instances run. Default: `1`, when neither `singleton` nor `job` is said. */
  readonly replicas?: number | undefined
  readonly singleton?: never
  readonly job?: never
}

export interface Singleton {
  readonly replicas?: never
  /** Exactly one instance, and never two at the same moment. Default: not a singleton. */
  readonly singleton: true
  readonly job?: never
}

export interface Job {
  readonly replicas?: never
  readonly singleton?: never
  /**
   * Runs to its end once for each revision that changes it, and never on a rollback; exit code 0 is success. Default: not a
   * job.
   */
  readonly job: true
  /** A job has no health: it is done when it ends with exit code 0. */
  readonly health?: never
}

/** What is run. Container images will be a second member. */
export interface Work {
  /** What is run: a string by `/bin/sh -c`, an array directly, without a shell. The stop signal reaches what a string runs, too. Default: required. */
  readonly command: Command
}

export type Service = Work & Kind & Settings

export interface Settings {
  /** The working directory of the command. Default: the folder of the config. */
  readonly directory?: string | undefined
  /** The environment variables of the command; a value may be `secret('NAME')`. Default: `{}`. */
  readonly environment?: Environment | undefined
  /**
   * Environment variables whose values are never recorded or printed: names (taken from the environment of `daruma up`), or
   * variable → secret. Default: `{}`.
   */
  readonly secrets?: readonly string[] | Readonly<Record<string, Secret>> | undefined
  /**
   * The port that the command finds in `PORT`: `'auto'` for one of Daruma's own that stays with the slot, a number for exactly
   * that one, `false` for none. Default: `'auto'`; `false` for a job.
   */
  readonly port?: number | 'auto' | false | undefined
  /**
   * Directories that outlive the instances, by name. Their paths are in `DARUMA_VOLUME_<NAME>`; with a mount point (needs root)
   * they are also mounted there. Default: `[]`.
   */
  readonly volumes?: readonly string[] | Readonly<Record<`/${string}`, string>> | undefined
  /**
   * How to tell that an instance is ready and alive. Default: none: an instance is ready when it has lived for
   * `update.minReady`.
   */
  readonly health?: Health | undefined
  /** The most CPU that one instance gets, in cores. Default: no limit. */
  readonly cpu?: number | undefined
  /** The most memory that one instance gets; beyond it the kernel ends the instance. Default: no limit. */
  readonly memory?: Size | undefined
  /** The most processes and threads that one instance gets. Default: no limit. */
  readonly pids?: number | undefined
  /** The user that the command runs as (needs root). Default: the user that runs Daruma. */
  readonly user?: string | undefined
  /**
   * What must have come first. Of a name alone, a job must be completed, a service with probes healthy, any other started.
   * Default: `[]`.
   */
  readonly after?: readonly string[] | Readonly<Record<string, 'started' | 'healthy' | 'completed'>> | undefined
  /** How an instance is ended. */
  readonly stop?: Stop | undefined
  /** When an instance that has ended is started again: a policy alone, or an object. */
  readonly restart?: 'always' | 'on-failure' | 'no' | Restart | undefined
  /** How a new revision replaces the old. */
  readonly update?: Update | undefined
  /**
   * When a host is cut off: `strict` ends the instance so that there are never two, `available` lets it run on. Default:
   * `'strict'` for a singleton and a job, `'available'` for replicas.
   */
  readonly guarantee?: 'strict' | 'available' | undefined
  /** Refuses to be removed, by `up` and by `down`. Default: `false`. */
  readonly protect?: boolean | undefined
  /** How much output is kept. */
  readonly logs?: Logs | undefined
}

/** One check for readiness and liveness alike, or up to three probes. */
export type Health =
  | (Probe & StartPeriod & { readonly startup?: never; readonly readiness?: never; readonly liveness?: never })
  | (Probes & StartPeriod)

export interface StartPeriod {
  /** How long an instance may take until its first success; after that it is ended as never healthy. Default: `'1m'`. */
  readonly startPeriod?: Duration | undefined
}

export interface Probes {
  /** Until this probe has succeeded once, the other two do not count. */
  readonly startup?: Probe | undefined
  /** While this probe fails, the instance is not ready. */
  readonly readiness?: Probe | undefined
  /** When this probe has failed `retries` times in a row, the instance is ended and started anew. */
  readonly liveness?: Probe | undefined
  readonly http?: never
  readonly tcp?: never
  readonly exec?: never
  readonly interval?: never
  readonly timeout?: never
  readonly retries?: never
}

export type Probe = Check & ProbeNumbers

/** Exactly one of the three. */
export type Check = ByHttp | ByTcp | ByExec

export interface ByHttp {
  /** Succeeds when a GET is answered with a status from 200 to 399. */
  readonly http: HttpCheck
  readonly tcp?: never
  readonly exec?: never
}

export interface ByTcp {
  readonly http?: never
  /** Succeeds when the port accepts a connection. */
  readonly tcp: true | number
  readonly exec?: never
}

export interface ByExec {
  readonly http?: never
  readonly tcp?: never
  /** Succeeds when the command, run inside the instance, ends with exit code 0. */
  readonly exec: Command
}

export type HttpCheck = `/${string}` | HttpRequest

export interface HttpRequest {
  /** The path that is fetched; a status from 200 to 399 is success. Default: required. */
  readonly path: `/${string}`
  /** The port that is asked. Default: the instance's own `PORT`. */
  readonly port?: number | undefined
  /** The host that is asked. Default: `'127.0.0.1'`. */
  readonly host?: string | undefined
}

export interface ProbeNumbers {
  /** The time between two checks. Default: `'1s'`. */
  readonly interval?: Duration | undefined
  /** A check that takes longer has failed. Default: `'1s'`. */
  readonly timeout?: Duration | undefined
  /** Failures in a row that change the verdict. Default: `3`. */
  readonly retries?: number | undefined
}

export interface Stop {
  /** The signal that asks the command to end. Default: `'SIGTERM'`. */
  readonly signal?: 'SIGTERM' | 'SIGINT' | 'SIGQUIT' | 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2' | 'SIGKILL' | 'SIGWINCH' | undefined
  /** How long the command may take to end before everything in its control group is killed. Default: `'10s'`. */
  readonly gracePeriod?: Duration | undefined
}

export interface Restart {
  /**
   * Whether an instance that has ended is started again: always, only when it failed, or never. Default: `'always'`; `'no'` for
   * a job.
   */
  readonly policy?: 'always' | 'on-failure' | 'no' | undefined
  /**
   * The wait before the second quick restart in a row (the first has none); it doubles each time. `false` or `0s` turns the
   * back-off off. Default: `'100ms'`.
   */
  readonly delay?: Duration | false | undefined
  /** The longest wait between two restarts. Default: `'30s'`. */
  readonly maxDelay?: Duration | undefined
  /** An instance that lived this long has proven itself: the failures before it are forgotten. Default: `'10s'`. */
  readonly resetAfter?: Duration | undefined
  /**
   * Quick failures in a row after which a service is called crash-looping (and is still tried), and a job failed (and is not).
   * Default: `5`.
   */
  readonly budget?: number | undefined
}

export interface Update {
  /**
   * Whether the new instance is ready before the old one stops (no gap), or starts after it is gone (no overlap). Default:
   * `'start-first'` for replicas without volumes and without a fixed port, else `'stop-first'`.
   */
  readonly order?: 'start-first' | 'stop-first' | undefined
  /**
   * How long a new instance may take until it is ready (a job: until it has ended) before the revision is rolled back. Default:
   * `'1m'`; `'1h'` for a job.
   */
  readonly deadline?: Duration | undefined
  /** How long an instance without probes must have lived to count as ready. Default: `'500ms'`. */
  readonly minReady?: Duration | undefined
}

export interface Logs {
  /** How much of each slot's output is kept; the oldest goes first. Default: `'10MiB'`. */
  readonly maxSize?: Size | undefined
}
