/** `update` and `restart` of a service into normal form: how it is replaced, and when it gets up. */

import type { Canary, PortRequest, RestartPolicy, Route, Scale, UpdatePolicy, VolumeMount } from '../../model/service.ts'
import { restart, usualPolicy } from '../../keys/service/restart.ts'
import { canary as canaryKeys, update, usualDeadlineMs, usualOrder, type WrittenUpdate } from '../../keys/service/update.ts'
import type { Place, ProblemList } from '../../values/problem-list.ts'
import type { WrittenService } from '../../keys/service.ts'

export function normaliseRestart(written: WrittenService, scale: Scale, at: Place, problems: ProblemList): RestartPolicy {
  const known = { policy: written.restart?.policy ?? usualPolicy(scale.kind) }
  // A longer delay takes the longest one with it, where that is not said.
  const usual = restart.fill(written.restart, known)
  const isPushed = written.restart?.maxDelayMs === undefined && usual.delayMs > usual.maxDelayMs
  const normal = isPushed ? { ...usual, maxDelayMs: usual.delayMs } : usual
  const place: Place = { up: at, key: 'restart' }
  if (scale.kind === 'schedule' && written.restart !== undefined) {
    const message = 'a run of a schedule is not started again: it is attempted again, as often as schedule.retries says'
    problems.add('E_CONFIG_CONFLICT', place, message, { allowed: 'no restart', suggestion: 'schedule.retries' })
  }
  if (scale.kind === 'job' && normal.policy === 'always') {
    const message = 'a job that is always started again never ends'
    problems.add('E_CONFIG_CONFLICT', place, message, { allowed: "'on-failure' or 'no'", suggestion: "'on-failure'" })
  }
  if (normal.maxDelayMs < normal.delayMs) {
    problems.add('E_CONFIG_CONFLICT', { up: place, key: 'maxDelay' }, 'maxDelay is shorter than delay', {
      allowed: 'maxDelay of at least delay',
    })
  }
  return normal
}

interface Replaced {
  readonly scale: Scale
  readonly port: PortRequest
  readonly volumes: readonly VolumeMount[]
  readonly routes: readonly Route[]
  /** False when something of the service was refused: what is missing may be just that. */
  readonly isWhole: boolean
}

export function normaliseUpdate(
  written: WrittenUpdate | undefined,
  service: Replaced,
  at: Place,
  problems: ProblemList,
): UpdatePolicy {
  const place: Place = { up: at, key: 'update' }
  const { scale, port, volumes } = service
  const usual = usualOrder({ kind: scale.kind, hasVolumes: volumes.length > 0, hasFixedPort: port.kind === 'fixed' })
  const order = written?.order ?? usual
  if (written !== undefined && scale.kind === 'schedule') {
    problems.add('E_CONFIG_CONFLICT', place, 'a schedule has nothing that is replaced: a change is for its next run', {
      allowed: 'no update; schedule.timeout bounds a run',
    })
  } else if (written !== undefined) {
    if (order === 'start-first' && usual === 'stop-first') refuseStartFirst(service, place, problems)
    else checkPace(written, { scale, order }, place, problems)
  }
  const canary = written?.canary === undefined ? null : normaliseCanary(written.canary, { ...service, order }, place, problems)
  return update.fill(written, { order, deadlineMs: written?.deadlineMs ?? usualDeadlineMs(scale.kind), canary })
}

function refuseStartFirst({ scale, volumes }: Replaced, at: Place, problems: ProblemList): void {
  const why =
    scale.kind === 'replicas'
      ? volumes.length > 0
        ? 'the old and the new instance would share a volume'
        : 'the old and the new instance would share a port'
      : `there would be two of a ${scale.kind}`
  problems.add('E_CONFIG_CONFLICT', { up: at, key: 'order' }, `'start-first' is not possible: ${why}`, {
    allowed: "'stop-first'",
    suggestion: "'stop-first'",
  })
}

/** How many at a time is a question only where there are several. */
function checkPace(
  written: WrittenUpdate,
  { scale, order }: { readonly scale: Scale; readonly order: UpdatePolicy['order'] },
  at: Place,
  problems: ProblemList,
): void {
  if (scale.kind !== 'replicas') {
    for (const field of ['surge', 'parallel', 'pauseMs', 'minHealthy'] as const) {
      if (written[field] === undefined) continue
      const { key = field } = update.keys[field]
      problems.add('E_CONFIG_CONFLICT', { up: at, key }, `a ${scale.kind} has one instance, and ${key} is about several`, {
        allowed: `no ${key}, or replicas`,
      })
    }
  } else if (order === 'stop-first' && written.minHealthy !== undefined && scale.count > 0 && written.minHealthy >= scale.count) {
    const message = `with ${written.minHealthy} of ${scale.count} always ready, none could ever be stopped to make room`
    problems.add('E_CONFIG_CONFLICT', { up: at, key: 'minHealthy' }, message, {
      allowed: `at most ${scale.count - 1}, or order: 'start-first'`,
    })
  }
}

function normaliseCanary(
  written: NonNullable<WrittenUpdate['canary']>,
  { scale, routes, order, isWhole }: Replaced & { readonly order: UpdatePolicy['order'] },
  at: Place,
  problems: ProblemList,
): Canary | null {
  const { share, forMs } = written
  const place: Place = { up: at, key: 'canary' }
  const isByHttp = routes.some(({ to }) => to.kind === 'domain' || to.protocol === 'http')
  const lacks =
    scale.kind !== 'replicas'
      ? `a ${scale.kind} is never there twice`
      : order !== 'start-first'
        ? "with 'stop-first' the old and the new are not there together"
        : isByHttp || !isWhole
          ? null
          : 'no requests come through a route by HTTP'
  if (lacks !== null) {
    problems.add('E_CONFIG_CONFLICT', place, `a canary is not possible: ${lacks}`, {
      allowed: 'canary for replicas with a route by HTTP, replaced start-first',
    })
  }
  if (share === undefined || forMs === undefined) {
    const missing = share === undefined ? 'share' : 'for'
    if (isWhole)
      problems.add('E_CONFIG_REQUIRED', place, `the canary has no ${missing}`, { allowed: "{ share: 0.05, for: '2m' }" })
    return null
  }
  return canaryKeys.fill(written)
}
