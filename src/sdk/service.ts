/**
 * What may be written for a service. Pairs that contradict each other (two kinds, two checks in one probe) do not type-check;
 * what types cannot see is refused when the config is loaded. The sentences are those of `docs/reference/config.md`.
 */

import type { Command } from './command.ts'
import type { Capability, Image, Registry } from './container.ts'
import type { Duration, Size } from './quantity.ts'
import type { Route } from './route.ts'
import type { Schedule } from './schedule.ts'
import type { Secret } from './secret.ts'
import type { Source } from './source.ts'

export type Environment = Readonly<Record<string, string | number | boolean | Secret | undefined>>

/** Exactly one kind; none of them is one replica. A kind to come (`everyHost`) is a further member. */
export type Kind = Replicas | Singleton | Job | Scheduled

export interface Replicas {
  /** How many equal instances run. Default: `1`, when none of `singleton`, `job`, `schedule` is said. */
  readonly replicas?: number | undefined
  readonly singleton?: never
  readonly job?: never
  readonly schedule?: never
  readonly timezone?: never
}

export interface Singleton {
  readonly replicas?: never
  /** Exactly one instance, and never two at the same moment. Default: not a singleton. */
  readonly singleton: true
  readonly job?: never
  readonly schedule?: never
  readonly timezone?: never
}

export interface Job {
  readonly replicas?: never
  readonly singleton?: never
  /**
   * Runs to its end once for each revision that changes it, and never on a rollback; exit code 0 is success. Default: not a
   * job.
   */
  readonly job: true
  readonly schedule?: never
  readonly timezone?: never
  /** A job has no health: it is done when it ends with exit code 0. */
  readonly health?: never
  /** A job serves no requests. */
  readonly route?: never
}

export type Scheduled = ScheduledShortly | ScheduledAtLength

interface NeitherServedNorRestarted {
  readonly replicas?: never
  readonly singleton?: never
  readonly job?: never
  /** A run is done when it ends with exit code 0. */
  readonly health?: never
  /** A run serves no requests. */
  readonly route?: never
  /** A run is attempted again as often as `schedule.retries` says. */
  readonly restart?: never
  /** A change is for the next run. */
  readonly update?: never
}

export interface ScheduledShortly extends NeitherServedNorRestarted {
  /**
   * Runs at the ticks of a cron expression, each tick at most once; exit code 0 is success. A run under way is not cut by a new
   * revision. The object form has more options. Default: not on a schedule.
   */
  readonly schedule: string
  /** The time zone of `schedule`, where that is an expression alone. Default: `'UTC'`. */
  readonly timezone?: string | undefined
}

export interface ScheduledAtLength extends NeitherServedNorRestarted {
  readonly schedule: Schedule
  readonly timezone?: never
}

/** A process of this host, or a container. */
export type Work = Process | Container

export interface Process {
  /**
   * What is run: a string by `/bin/sh -c`, an array directly, without a shell. The stop signal reaches what a string runs, too.
   * With an image it takes the place of the arguments of the image's entry point. Default: required without an image; else the
   * image's own.
   */
  readonly command: Command
  /**
   * The folder whose files are the release of the service: they are read when `up` runs, kept as they were, and a change of them is
   * a change like any other. A path alone, or an object. Default: none: the command runs with the files of this machine as they
   * are.
   */
  readonly source?: string | Source | undefined
  readonly image?: never
  readonly pull?: never
  readonly registry?: never
  readonly containerPort?: never
  readonly readOnly?: never
  readonly capabilities?: never
  readonly network?: never
}

export interface Container {
  /**
   * The container image that is run: a reference in a registry, an archive or a folder to build. Needs Docker or Podman. Default:
   * none: the command is a process of this host.
   */
  readonly image: Image
  /** In the place of the arguments of the image's entry point. */
  readonly command?: Command | undefined
  readonly source?: never
  /** When the image is pulled: if it is not here, with each change of the service, or never. Default: `'missing'`. */
  readonly pull?: 'missing' | 'always' | 'never' | undefined
  /** The credentials for a private registry. Default: none: pulled without a name. */
  readonly registry?: Registry | undefined
  /**
   * The port that the image's program listens on, where it does not ask `PORT`. It is published at the service's port, on this
   * host's loopback. Default: the port in `PORT`.
   */
  readonly containerPort?: number | undefined
  /** Whether the container's files cannot be written; volumes, `/tmp` and `/run` can. Default: `false`. */
  readonly readOnly?: boolean | undefined
  /** Capabilities given back to the container, which has none otherwise. Default: `[]`. */
  readonly capabilities?: readonly Capability[] | undefined
  /**
   * Which network the container is in: that of the project's containers, who find each other by the names of their services; this
   * host's; or none. Default: `'bridge'`.
   */
  readonly network?: 'bridge' | 'host' | 'none' | undefined
  /** Each has a mount point. */
  readonly volumes?: Readonly<Record<`/${string}`, string>> | undefined
}

export type Service = Work & Kind & Settings

export interface Settings {
  /**
   * The working directory of the command. With a source, a folder inside of it; with an image, an absolute path inside it. Default:
   * the folder of the config; with a source, the root of the release; with an image, the image's own.
   */
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
   * that one, `false` for none. Default: `'auto'`; `false` for a job and a schedule.
   */
  readonly port?: number | 'auto' | false | undefined
  /**
   * How requests from outside reach the instances, through the balancer: a domain, a port, an object, or an array of them. Requests
   * go to the instances that are ready; without probes, ready only means that the process runs. Default: none: only this host
   * reaches the ports of the instances.
   */
  readonly route?: Route | readonly Route[] | undefined
  /**
   * Directories that outlive the instances, by name. Their paths are in `DARUMA_VOLUME_<NAME>`; with a mount point (needs root or
   * an image) they are also mounted there. With an image each has a mount point. Default: `[]`.
   */
  readonly volumes?: readonly string[] | Readonly<Record<`/${string}`, string>> | undefined
  /**
   * How to check that an instance is ready and alive. Default: none: an instance is ready when it has lived for
   * `update.minReady`.
   */
  readonly health?: Health | undefined
  /** The most CPU that one instance gets, in cores. Default: no limit. */
  readonly cpu?: number | undefined
  /** The most memory that one instance gets; beyond it the kernel ends the instance. Default: no limit. */
  readonly memory?: Size | undefined
  /** The most processes and threads that one instance gets. Default: no limit. */
  readonly pids?: number | undefined
  /**
   * The user that the command runs as (needs root or an image). Default: the user that runs Daruma; with an image, the image's own.
   */
  readonly user?: string | undefined
  /**
   * What the service waits for. With a name alone, a job must be completed, a service with probes healthy, any other started.
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
   * When a host is cut off: `strict` ends the instance so that there are never two, `available` keeps it running. Default:
   * `'strict'` for a singleton, a job and a schedule, `'available'` for replicas.
   */
  readonly guarantee?: 'strict' | 'available' | undefined
  /** Whether `up` and `down` refuse to remove it. Default: `false`. */
  readonly protect?: boolean | undefined
  /**
   * Files of `NAME=value` lines (as dotenv reads them), from the folder of the config; they are read by `plan` and `up`. A later
   * file wins over an earlier one, and `environment` over both. The values are recorded and shown in plans: what is secret belongs
   * into `secrets`. Default: none.
   */
  readonly envFile?: string | readonly string[] | undefined
  /**
   * What the kernel allows each process of an instance (setrlimit(2)), in its units and by Docker's names: a number for both
   * limits, or `{ soft, hard }`; `-1` is none. A process may raise its own soft limit up to the hard one. Default: for a process,
   * whatever the shell that ran `up` had: `nofile` 65536 soft and 524288 hard, `core` 0 soft, `stack` 8388608 soft, `memlock`
   * 8388608, `msgqueue` 819200, `nice` and `rtprio` 0, `sigpending` the kernel's own, the others unlimited; for an image, its
   * engine's.
   */
  readonly ulimits?: Ulimits | undefined
  /** How much output is kept. */
  readonly logs?: Logs | undefined
}

/** By Docker's names; `-1` is no limit. */
export type Ulimits = Readonly<
  Partial<
    Record<
      | 'core'
      | 'cpu'
      | 'data'
      | 'fsize'
      | 'locks'
      | 'memlock'
      | 'msgqueue'
      | 'nice'
      | 'nofile'
      | 'nproc'
      | 'rss'
      | 'rtprio'
      | 'rttime'
      | 'sigpending'
      | 'stack',
      number | { readonly soft: number; readonly hard: number }
    >
  >
>

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
  /** When this probe has failed `retries` times in a row, the instance is ended and restarted. */
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
  /**
   * How long the whole instance may take to end, the command and everything that it has started, before all that is left is killed.
   * Default: `'10s'`.
   */
  readonly gracePeriod?: Duration | undefined
  /**
   * What gets the signal at once. `'leader'`: the command itself; what is left when it has gone (the server behind `npm start`)
   * gets it then, and has the rest of the grace period. `'all'`: every process of the instance, for a command that waits for the
   * others and passes nothing on. Of a container always its first process. Default: `'leader'`.
   */
  readonly to?: 'leader' | 'all' | undefined
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
  /** Start-first: how many instances beyond `replicas` may run for a moment. Default: `1`. */
  readonly surge?: number | undefined
  /** Stop-first: how many replicas are replaced at a time. Default: `1`. */
  readonly parallel?: number | undefined
  /** The rest between one batch that is ready and the next. Default: `'0s'`. */
  readonly pause?: Duration | undefined
  /** Stop-first: how many replicas must stay ready at any time. Default: as `parallel` leaves. */
  readonly minHealthy?: number | undefined
  /** How long requests under way may take, when an instance with a route leaves, before it is asked to stop. Default: `'30s'`. */
  readonly drain?: Duration | undefined
  /**
   * A first share of the requests goes to the new revision, the rest when that went well. Replicas with a route by HTTP,
   * start-first. Default: none.
   */
  readonly canary?: Canary | undefined
}

export interface Canary {
  /** The share of the requests that the new revision gets at first. Default: required. */
  readonly share: number
  /** How long it must go well until the new revision gets the rest; `daruma promote` does not wait. Default: required. */
  readonly for: Duration
  /**
   * The largest share of the canary's requests that may fail, beyond those of the old revision; above it, the old revision gets
   * everything back. Default: `0.01`.
   */
  readonly errorRate?: number | undefined
}

export interface Logs {
  /** How much of each slot's output is kept; the oldest goes first. Default: `'10MiB'`. */
  readonly maxSize?: Size | undefined
}
