/**
 * The balancer as a service of its own, so that its slot goes the way of every slot: claim, epoch, keeper, adoption, back-off, log. No user
 * can write its name, no config holds it; it is there while there are routes.
 */

import { asServiceName, slotId } from '../model/id.ts'
import type { ServiceName, SlotId } from '../model/id.ts'
import type { Service } from '../model/service.ts'
import { updatePace } from '../keys/service/update.ts'

/** The '@' cannot be in a user's name. */
export const balancerName: ServiceName = asServiceName('@balancer')
export const balancerSlot: SlotId = slotId(balancerName, 0)

/** Tells which program a running balancer is; for the next daemon, which may find another one installed meanwhile. */
const kindVariable = 'DARUMA_BALANCER'

export interface BalancerCommand {
  readonly command: readonly string[]
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
}

export function balancerService(kind: 'haproxy' | 'embedded', program: BalancerCommand): Service {
  return {
    name: balancerName,
    scale: { kind: 'singleton' },
    runs: { kind: 'process', command: program.command, source: null, directory: program.directory, user: null },
    environment: { ...program.environment, [kindVariable]: kind },
    secrets: {},
    port: { kind: 'none' },
    routes: [],
    volumes: [],
    health: { startup: null, readiness: null, liveness: null, startPeriodMs: 60_000 },
    limits: { cpuCores: null, memoryBytes: null, pids: null },
    after: [],
    stop: { signal: 'SIGTERM', gracePeriodMs: 10_000, to: 'leader' },
    // While it is away nobody is served: it is tried again sooner than others are.
    restart: { policy: 'always', delayMs: 50, maxDelayMs: 2000, resetAfterMs: 10_000, budget: 5 },
    // Nothing is sent to it before it has confirmed a table, so that to be alive is enough to be ready.
    update: { order: 'stop-first', deadlineMs: 60_000, minReadyMs: 50, ...updatePace },
    guarantee: 'strict',
    protect: false,
    envFile: [],
    ulimits: {},
    logs: { maxBytes: 50 * 1024 * 1024 },
  }
}

export function balancerKindOf(service: Service): 'haproxy' | 'embedded' | null {
  const kind = service.environment[kindVariable]
  return kind === 'haproxy' || kind === 'embedded' ? kind : null
}
