/** Services in normal form for simulated machines, whose programs are words that the simulated kernel knows. */

import { serviceSettings } from '../core/keys/service.ts'
import { updatePace } from '../core/keys/service/update.ts'
import { asServiceName } from '../core/model/id.ts'
import type { Service } from '../core/model/service.ts'

/** A service in normal form whose program is one of the words that the kernel knows. */
export function aService(name: string, command: string, over: Partial<Service> = {}): Service {
  const isJob = over.scale?.kind === 'job'
  return {
    name: asServiceName(name),
    scale: { kind: 'singleton' },
    runs: { kind: 'process', command: command.split(' '), source: null, directory: '/', user: null },
    environment: {},
    secrets: {},
    port: { kind: 'none' },
    routes: [],
    volumes: [],
    health: { startup: null, readiness: null, liveness: null, startPeriodMs: 10_000 },
    limits: { cpuCores: null, memoryBytes: null, pids: null },
    after: [],
    stop: { signal: 'SIGTERM', gracePeriodMs: 1000, to: 'leader' },
    restart: {
      policy: isJob ? 'on-failure' : 'always',
      delayMs: 100,
      maxDelayMs: 2000,
      resetAfterMs: 10_000,
      budget: isJob ? 2 : 4,
    },
    update: { order: 'stop-first', deadlineMs: 20_000, minReadyMs: 100, ...updatePace },
    ...serviceSettings.fill({}, { guarantee: 'strict' }),
    logs: { maxBytes: 1_000_000 },
    ...over,
  }
}

/** The image `nowhere` cannot be had. */
export const anImage = (reference: string, command: string): Service['runs'] => ({
  kind: 'container',
  image: { from: 'registry', reference },
  pull: 'missing',
  registry: null,
  containerPort: null,
  readOnly: false,
  capabilities: [],
  network: 'bridge',
  command: command.split(' '),
  directory: null,
  user: null,
})
