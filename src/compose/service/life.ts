/**
 * How many there are, in which order they come, and how they begin, end and are replaced: `depends_on`, `restart`, `stop_*`, `deploy`,
 * `logging`. Compose has no word for a job: what another service wants completed is one.
 */

import { formatSize } from '../../core/values/quantity.ts'
import { nearest } from '../../core/values/nearest.ts'
import { Code } from '../../proposal/code.ts'
import { mappingAt } from './container.ts'
import { asMapping } from '../tree/merge.ts'
import type { ServiceDraft } from './service.ts'
import { get, type Mapping, textOf, type Tree } from '../tree/tree.ts'
import {
  below,
  durationText,
  readDurationMs,
  readMapping,
  readNumber,
  readSizeBytes,
  refuseValue,
  type Spot,
} from '../tree/values.ts'

export function carryLife(draft: ServiceDraft): void {
  carryKind(draft)
  carryAfter(draft)
  carryRestart(draft)
  carryStop(draft)
  carryUpdate(draft)
  draft.with('logging', (tree, spot) => carryLogging(tree, spot, draft))
}

/**
 * Compose runs one container of a service unless it is told otherwise, and never two at once: while it replaces one, none runs. For
 * what answers requests that is no reason for a gap; for everything else it may be.
 */
function carryKind(draft: ServiceDraft): void {
  const { written, remarks } = draft
  const deploy = mappingAt(draft, 'deploy')
  const mode = textOf(get(deploy, 'mode'))
  if (draft.context.facts.get(draft.name)?.isJob === true || mode === 'replicated-job' || mode === 'global-job') {
    written['job'] = true
    return
  }
  const wanted = get(deploy, 'replicas') ?? draft.get('scale')
  const replicas = wanted === undefined ? undefined : readNumber(wanted, draft.at('replicas'))
  const count = replicas instanceof Code ? Number(replicas.value) : replicas
  if (replicas !== undefined && count !== 1) {
    written['replicas'] = replicas
    return
  }
  const hasVolume = written['volumes'] !== undefined
  const isReached = written['containerPort'] !== undefined || written['route'] !== undefined || written['port'] !== undefined
  if (!hasVolume && isReached) return
  written['singleton'] = true
  if (!hasVolume) remarks['singleton'] = 'Compose never ran two. If two may overlap during a change, drop this.'
}

const conditions: Readonly<Record<string, string>> = {
  service_started: 'started',
  service_healthy: 'healthy',
  service_completed_successfully: 'completed',
}

function carryAfter(draft: ServiceDraft): void {
  const after: [name: string, condition: string, isPlain: boolean][] = []
  draft.with('depends_on', (tree, spot) => {
    const mapping = readMapping(asMapping(tree, 'depends_on'), spot)
    for (const [name, { value, at }] of mapping?.entries ?? []) {
      const condition = readCondition(name, value, below(spot, name), draft)
      if (condition === null || !isThere(name, draft, 'depends_on', at)) continue
      if (textOf(get(value, 'restart')) === 'true')
        draft.note(
          `depends_on.${name}.restart`,
          at,
          `${draft.name} is not restarted because ${name} is`,
          'let the program bear a lost connection, or restart both',
        )
      after.push([name, condition, value.kind !== 'mapping'])
    }
  })
  draft.with('links', (tree) => {
    for (const item of tree.kind === 'list' ? tree.items : []) {
      const [name = '', alias] = (textOf(item) ?? '').split(':')
      if (alias !== undefined && alias !== name)
        draft.note(
          'links',
          item.at,
          `${alias} as another name of ${name}: a container is found by the name of its service`,
          `${name}, where the program is told ${alias}`,
        )
      if (isThere(name, draft, 'links', item.at) && !after.some(([known]) => known === name)) after.push([name, 'started', true])
    }
  })
  if (after.length === 0) return
  const names = after.map(([name]) => name)
  draft.written['after'] = after.every(([name, condition, isPlain]) => isPlain || condition === strongest(name, draft))
    ? names
    : Object.fromEntries(after.map(([name, condition, isPlain]) => [name, isPlain ? strongest(name, draft) : condition]))
}

/** What a name alone asks for. */
function strongest(name: string, draft: ServiceDraft): string {
  const facts = draft.context.facts.get(name)
  return facts?.isJob === true ? 'completed' : facts?.hasHealth === true ? 'healthy' : 'started'
}

function readCondition(name: string, value: Tree, spot: Spot, draft: ServiceDraft): string | null {
  if (value.kind !== 'mapping') return 'started'
  const tree = get(value, 'condition')
  const text = textOf(tree) ?? 'service_started'
  const condition = conditions[text]
  if (condition === undefined) {
    refuseValue(tree!, below(spot, 'condition'), Object.keys(conditions).join(', '), nearest(text, Object.keys(conditions)))
    return null
  }
  if (condition !== 'healthy' || draft.context.facts.get(name)?.hasHealth === true || draft.context.leftOut.has(name))
    return condition
  draft.note(
    `depends_on.${name}`,
    value.at,
    `${name} has no healthcheck in the file, so nothing can wait for it to be healthy`,
    `give ${name} a health, then after: ['${name}'] waits for it`,
  )
  return 'started'
}

function isThere(name: string, draft: ServiceDraft, key: string, at: Tree['at']): boolean {
  const { facts, leftOut, ledger } = draft.context
  if (facts.has(name)) return true
  const profiles = leftOut.get(name)
  if (profiles !== undefined) {
    draft.note(
      `${key}.${name}`,
      at,
      `${name} is behind the profile ${profiles.join(', ')} and left out`,
      `daruma import --profile ${profiles[0]} takes it along`,
    )
    return false
  }
  const known = [...facts.keys()].filter((one) => one !== draft.name)
  ledger.problem('E_COMPOSE_UNKNOWN_SERVICE', at, [...draft.spot.path, key], `there is no service ${name}`, {
    suggestion: nearest(name, known),
    ...(known.length === 0 ? {} : { allowed: known.join(', ') }),
  })
  return false
}

function carryRestart(draft: ServiceDraft): void {
  const policy = mappingAt(draft, 'deploy')
  const deploy = get(policy, 'restart_policy')
  if (deploy !== undefined) return carryRestartPolicy(deploy, draft)
  draft.with('restart', (tree, spot) => {
    const text = textOf(tree) ?? ''
    const budget = /^on-failure(?::(\d+))?$/.exec(text)
    if (text === 'always' || text === 'unless-stopped' || draft.written['job'] === true) return
    if (text === 'no' || text === 'false') draft.written['restart'] = 'no'
    else if (budget !== null)
      draft.written['restart'] = budget[1] === undefined ? 'on-failure' : { policy: 'on-failure', budget: Number(budget[1]) }
    else
      refuseValue(
        tree,
        spot,
        'no, always, on-failure, on-failure:3, unless-stopped',
        nearest(text, ['no', 'always', 'on-failure', 'unless-stopped']),
      )
  })
}

const restartConditions: Readonly<Record<string, string>> = { none: 'no', 'on-failure': 'on-failure', any: 'always' }

function carryRestartPolicy(tree: Tree, draft: ServiceDraft): void {
  const spot = draft.at('deploy', 'restart_policy')
  const condition = get(tree, 'condition')
  const policy = restartConditions[textOf(condition) ?? 'any']
  if (policy === undefined) return refuseValue(condition!, below(spot, 'condition'), Object.keys(restartConditions).join(', '))
  if (draft.written['job'] === true) return
  const delay = get(tree, 'delay')
  const delayMs = delay === undefined ? undefined : readDurationMs(delay, below(spot, 'delay'))
  const attempts = get(tree, 'max_attempts')
  const budget = attempts === undefined ? undefined : readNumber(attempts, below(spot, 'max_attempts'))
  const rest = { ...(delayMs === undefined ? {} : { delay: durationText(delayMs) }), ...(budget === undefined ? {} : { budget }) }
  const window = get(tree, 'window')
  const windowMs = window === undefined ? undefined : readDurationMs(window, below(spot, 'window'))
  const written = {
    ...(policy === 'always' ? {} : { policy }),
    ...rest,
    ...(windowMs === undefined ? {} : { resetAfter: durationText(windowMs) }),
  }
  if (Object.keys(written).length === 0) return
  draft.written['restart'] = Object.keys(written).length === 1 && policy !== 'always' ? policy : written
}

const signals: ReadonlySet<string> = new Set([
  'SIGTERM',
  'SIGINT',
  'SIGQUIT',
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGKILL',
  'SIGWINCH',
])
const signalNumbers: Readonly<Record<string, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  9: 'SIGKILL',
  10: 'SIGUSR1',
  12: 'SIGUSR2',
  15: 'SIGTERM',
  28: 'SIGWINCH',
}
const defaultGraceMs = 10_000

function carryStop(draft: ServiceDraft): void {
  const stop: Record<string, unknown> = {}
  draft.with('stop_signal', (tree) => {
    const text = (textOf(tree) ?? '').toUpperCase()
    const signal = signalNumbers[text] ?? (text.startsWith('SIG') ? text : `SIG${text}`)
    if (!signals.has(signal))
      draft.note('stop_signal', tree.at, `${text}: not a signal that ends a service here`, `one of ${[...signals].join(', ')}`)
    else if (signal !== 'SIGTERM') stop['signal'] = signal
  })
  draft.with('stop_grace_period', (tree, spot) => {
    const graceMs = readDurationMs(tree, spot)
    if (graceMs !== undefined && graceMs !== defaultGraceMs) stop['gracePeriod'] = durationText(graceMs)
  })
  if (Object.keys(stop).length > 0) draft.written['stop'] = stop
}

function carryUpdate(draft: ServiceDraft): void {
  const config = get(mappingAt(draft, 'deploy'), 'update_config')
  if (config === undefined || draft.written['job'] === true) return
  const spot = draft.at('deploy', 'update_config')
  const order = textOf(get(config, 'order'))
  const update: Record<string, unknown> = {}
  if (order !== undefined && order !== 'start-first' && order !== 'stop-first')
    refuseValue(get(config, 'order')!, below(spot, 'order'), 'start-first, stop-first')
  const cannotOverlap = draft.written['replicas'] === undefined || draft.written['volumes'] !== undefined
  if (order === 'stop-first' && !cannotOverlap) update['order'] = order
  const parallelism = get(config, 'parallelism')
  const count = parallelism === undefined ? undefined : readNumber(parallelism, below(spot, 'parallelism'))
  const atOnce = count instanceof Code ? Number(count.value) : count
  if (atOnce !== undefined && atOnce > 1 && draft.written['singleton'] !== true)
    update[order === 'stop-first' ? 'parallel' : 'surge'] = count
  if (atOnce === 0)
    draft.note(
      'deploy.update_config.parallelism',
      parallelism?.at,
      '0: a change never takes all at once',
      'update.surge, as many as may run beside the old ones',
    )
  const delay = get(config, 'delay')
  const delayMs = delay === undefined ? 0 : (readDurationMs(delay, below(spot, 'delay')) ?? 0)
  if (delayMs > 0 && draft.written['singleton'] !== true) update['pause'] = durationText(delayMs)
  const monitor = get(config, 'monitor')
  const monitorMs = monitor === undefined ? 0 : (readDurationMs(monitor, below(spot, 'monitor')) ?? 0)
  if (monitorMs > 0 && draft.context.facts.get(draft.name)?.hasHealth !== true) update['minReady'] = durationText(monitorMs)
  const action = textOf(get(config, 'failure_action'))
  if (action === 'continue' || action === undefined)
    draft.note(
      'deploy.update_config.failure_action',
      get(config, 'failure_action')?.at ?? config.at,
      `${action ?? 'pause, the default'}: a change that fails is always rolled back`,
      'nothing',
    )
  const ratio = get(config, 'max_failure_ratio')
  if (ratio !== undefined && textOf(ratio) !== '0')
    draft.note('deploy.update_config.max_failure_ratio', ratio.at, 'no failure is let pass', 'nothing')
  if (Object.keys(update).length > 0) draft.written['update'] = update
}

/** Docker keeps `max-file` files of `max-size` each; here it is one bound. */
function carryLogging(tree: Tree, spot: Spot, draft: ServiceDraft): void {
  const driver = textOf(get(tree, 'driver')) ?? 'json-file'
  if (driver !== 'json-file' && driver !== 'local') {
    draft.note(
      'logging.driver',
      tree.at,
      `${driver}: output always goes to bounded files of the state directory`,
      'daruma logs -f into the collector, or let the program send them itself',
    )
    return
  }
  const options: Mapping | undefined =
    get(tree, 'options') === undefined ? undefined : readMapping(get(tree, 'options')!, below(spot, 'options'))
  const size = get(options, 'max-size')
  const bytes = size === undefined ? undefined : readSizeBytes(size, below(spot, 'options', 'max-size'))
  const files = Number(textOf(get(options, 'max-file')) ?? 1)
  if (bytes !== undefined && bytes > 0)
    draft.written['logs'] = { maxSize: formatSize(Math.max(64 * 1024, bytes * (files > 0 ? files : 1))) }
}
