/**
 * `health` from either of its forms into three probes. The short form stands for readiness and liveness with the same check,
 * where liveness wants more failures: an instance is taken out of use long before it is killed.
 */

import type { Check, Health, PortRequest, Probe, Runs } from '../../model/service.ts'
import {
  livenessRetriesFactor,
  noHealth,
  probeKeys,
  probeNumbers,
  type WrittenHealth,
  type WrittenProbe,
} from '../../keys/service/health.ts'
import type { Place, ProblemList } from '../../values/problem-list.ts'

/**
 * `isWhole` is false when something of the service was refused: what is missing here may be just that, and is not reported
 * again.
 */
export interface HealthContext {
  readonly port: PortRequest
  readonly runs: Runs
  readonly isWhole: boolean
}

export function normaliseHealth(
  written: WrittenHealth | undefined,
  context: HealthContext,
  at: Place,
  problems: ProblemList,
): Health {
  if (written === undefined) return noHealth
  const { startPeriodMs = noHealth.startPeriodMs } = written
  const isLong = written.startup !== undefined || written.readiness !== undefined || written.liveness !== undefined
  if (isLong) {
    const strays = Object.entries(probeKeys).flatMap(([field, { key = field }]) => (Object.hasOwn(written, field) ? [key] : []))
    if (strays.length > 0) {
      const message = `${strays.join(', ')} cannot stand beside startup, readiness and liveness`
      problems.add('E_CONFIG_CONFLICT', at, message, { allowed: 'one check for all, or each probe with its own' })
    }
    const probe = (key: 'startup' | 'readiness' | 'liveness'): Probe | null => {
      const one = written[key]
      return one === undefined ? null : normaliseProbe(one, context, { up: at, key }, problems)
    }
    return { startup: probe('startup'), readiness: probe('readiness'), liveness: probe('liveness'), startPeriodMs }
  }
  const readiness = normaliseProbe(written, context, at, problems)
  const liveness = readiness === null ? null : { ...readiness, retries: readiness.retries * livenessRetriesFactor }
  return { startup: null, readiness, liveness, startPeriodMs }
}

function normaliseProbe(written: WrittenProbe, context: HealthContext, at: Place, problems: ProblemList): Probe | null {
  const checks: Check[] = []
  if (written.http !== undefined) checks.push(written.http)
  if (written.tcp !== undefined) checks.push(written.tcp)
  if (written.exec !== undefined) checks.push({ kind: 'exec', command: written.exec })
  const [first] = checks
  const check = first === undefined ? undefined : withinReach(first, context, at, problems)
  if (check === undefined) {
    if (context.isWhole)
      problems.add('E_CONFIG_REQUIRED', at, 'nothing says what is checked', { allowed: 'exactly one of http, tcp, exec' })
    return null
  }
  if (checks.length > 1) {
    const message = `${checks.map(({ kind }) => kind).join(' and ')} stand side by side`
    problems.add('E_CONFIG_CONFLICT', at, message, { allowed: 'exactly one of http, tcp, exec' })
    return null
  }
  if (check.kind !== 'exec' && check.port === null && context.port.kind === 'none') {
    const allowed =
      check.kind === 'http'
        ? `port: 'auto' on the service, or http: { path: '${check.path}', port: 8080 }`
        : "port: 'auto' on the service, or tcp: 8080"
    problems.add('E_CONFIG_CONFLICT', { up: at, key: check.kind }, 'the service has no port that could be asked', { allowed })
  }
  return { check, ...probeNumbers.fill(written) }
}

/** Probes are made from this host, where a container with a network of its own is reached at its published port alone. */
function withinReach(check: Check, { runs }: HealthContext, at: Place, problems: ProblemList): Check {
  if (check.kind === 'exec' || check.port === null || runs.kind === 'process' || runs.network === 'host') return check
  if (check.port !== runs.containerPort) {
    const message = `port ${check.port} of the container is not reached from this host`
    const own = runs.containerPort === null ? 'its PORT' : `containerPort ${runs.containerPort}`
    const allowed = runs.network === 'none' ? 'exec' : `no port (${own} is asked), or exec`
    problems.add('E_CONFIG_CONFLICT', { up: at, key: check.kind }, message, { allowed })
  }
  return { ...check, port: null }
}
