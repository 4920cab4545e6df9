/** `notify` into normal form: what was written as a secret goes under `secrets`, and everything else stays where it is. */

import { noticeTopics, type NotifyTarget, type PlacedNotify, usualTimeoutMs } from '../../keys/notify.ts'
import { identityOfTarget } from '../../model/notify-target.ts'
import type { SecretReference, SecretSource } from '../../model/service.ts'
import type { ProblemList } from '../../values/problem-list.ts'
import type { ConfigContext } from '../config-context.ts'
import { resolveSource } from './resolve-path.ts'

export function normaliseNotify(
  targets: readonly PlacedNotify[],
  context: ConfigContext,
  problems: ProblemList,
): readonly NotifyTarget[] {
  /** By identity: the index of the first. */
  const seen = new Map<string, number>()
  return targets.map((written, index) => {
    const secrets: Record<string, SecretReference> = {}
    const plain = (place: string, value: string | SecretSource): string | null => {
      if (typeof value === 'string') return value
      secrets[place] = { source: resolveSource(value, context), digest: null }
      return null
    }
    const plainOnes = (part: string, values: Readonly<Record<string, string | SecretSource>> = {}): Record<string, string> =>
      Object.fromEntries(
        Object.entries(values).flatMap(([name, value]) => {
          const text = plain(`${part}.${name}`, value)
          return text === null ? [] : [[name, text]]
        }),
      )
    const { webhook, headers, command = [], environment, user = null, at } = written
    if (user !== null && !context.root) {
      problems.add('E_CONFIG_NEEDS_ROOT', { up: at, key: 'user' }, `only root can run a command as ${user}`, {
        allowed: 'no user, or Daruma run as root',
      })
    }
    const to: NotifyTarget['to'] =
      webhook === undefined
        ? { kind: 'command', command, directory: context.directory, user, environment: plainOnes('environment', environment) }
        : { kind: 'webhook', url: plain('webhook', webhook), headers: plainOnes('headers', headers) }
    const identity = identityOfTarget({ to, secrets })
    const first = seen.get(identity)
    if (first === undefined) seen.set(identity, index)
    else {
      problems.add('E_CONFIG_CONFLICT', at, `it has the same target as notify[${first}], and one of the two would never send`, {
        allowed: 'each webhook and each command once; `on` lists its topics',
      })
    }
    return { to, on: written.on ?? noticeTopics, timeoutMs: written.timeoutMs ?? usualTimeoutMs, secrets }
  })
}
