/**
 * Every default, in one place: the normaliser fills them in and the reference prints them. A default that depends on the kind of
 * service (guarantee, restart, order, deadline, port) is a function of it.
 */

import type { BalancerSettings, RestartPolicy, Service, SignalName, UpdatePolicy } from '../model/service.ts'

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
export const restartPolicy = (kind: Kind): RestartPolicy['policy'] => (kind === 'job' ? 'no' : 'always')

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
export const port = (kind: Kind): 'auto' | false => (kind === 'job' ? false : 'auto')
export const logBytes: number = 10 * 1024 * 1024

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
