/**
 * Every default, in one place: the normaliser fills them in and the reference prints them. A default that depends on the kind of
 * service (guarantee, restart, order, deadline, port) is a function of it.
 */

import type { BalancerSettings, RestartPolicy, Schedule, Service, SignalName, UpdatePolicy } from '../model/service.ts'

type Kind = Service['scale']['kind']

export const probeIntervalMs: number = 1000
/** One that answers more slowly than this is not fit for a request. */
export const probeTimeoutMs: number = 1000
export const probeRetries: number = 3
/** Readiness takes an instance out of use, liveness ends it: the shorthand asks for more proof before it kills. */
export const livenessRetriesFactor: number = 3
export const startPeriodMs: number = 60_000

export const stopSignal: SignalName = 'SIGTERM'
/** Compose's and Docker's 10 s. */
export const gracePeriodMs: number = 10_000

export const restartDelayMs: number = 100
export const restartMaxDelayMs: number = 30_000
export const restartResetAfterMs: number = 10_000
export const restartBudget: number = 5
/** A job and a run of a schedule are done when they have ended. */
export const restartPolicy = (kind: Kind): RestartPolicy['policy'] => (kind === 'job' || kind === 'schedule' ? 'no' : 'always')

export const updateDeadlineMs = (kind: Kind): number => (kind === 'job' ? 3_600_000 : 60_000)
export const minReadyMs: number = 500
/** How fast a change goes, where nothing else is said. */
export const updatePace: Omit<UpdatePolicy, 'order' | 'deadlineMs' | 'minReadyMs'> = {
  surge: 1,
  parallel: 1,
  pauseMs: 0,
  minHealthy: null,
  drainMs: 30_000,
  canary: null,
}
export function updateOrder(service: {
  readonly kind: Kind
  readonly hasVolumes: boolean
  readonly hasFixedPort: boolean
}): UpdatePolicy['order'] {
  return service.kind === 'replicas' && !service.hasVolumes && !service.hasFixedPort ? 'start-first' : 'stop-first'
}

export const guarantee = (kind: Kind): Service['guarantee'] => (kind === 'replicas' ? 'available' : 'strict')
export const port = (kind: Kind): 'auto' | false => (kind === 'job' || kind === 'schedule' ? false : 'auto')
export const logBytes: number = 10 * 1024 * 1024

/** Of a scheduled service, all but its expression. */
export const schedule: Omit<Schedule, 'cron'> = {
  timezone: 'UTC',
  missed: 'run-once',
  overlap: 'forbid',
  timeoutMs: null,
  retries: 0,
  retryLost: false,
  keep: 20,
}

/** Failed requests of a canary beyond the old revision's: one in a hundred is more than chance. */
export const canaryErrorRate: number = 0.01

/** Let's Encrypt (https://letsencrypt.org/docs/acme-protocol-updates/). */
export const acmeDirectory: string = 'https://acme-v02.api.letsencrypt.org/directory'

export const balancer: BalancerSettings = {
  program: 'auto',
  address: '*',
  httpPort: 80,
  httpsPort: 443,
  accessLog: false,
  limits: {
    connections: 10_000,
    headerBytes: 16 * 1024,
    bodyBytes: null,
    headerTimeoutMs: 10_000,
    idleTimeoutMs: 60_000,
    tunnelTimeoutMs: 3_600_000,
  },
  acme: null,
}
