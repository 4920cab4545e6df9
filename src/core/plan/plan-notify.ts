/** The step for `notify`: a change of it touches no service, but must be seen, and written down, like any other. */

import { fieldsOfTarget, nameOfTarget, type NotifyTarget } from '../keys/notify.ts'
import { notifyOwner } from '../model/secrets-of.ts'
import { asServiceName } from '../model/id.ts'
import type { ServiceName } from '../model/id.ts'
import type { Project } from '../model/service.ts'
import { note } from './difference.ts'
import type { Reason, Step } from './plan.ts'
import type { Recorded } from './recorded.ts'

/** In a plan; no service has it. */
export const notifyName: ServiceName = asServiceName(notifyOwner)

/** Where everything goes (`down`), `notify` stays: the end of what was in trouble is to be told. */
export function planNotify({
  desired,
  recorded,
}: {
  readonly desired: Project | null
  readonly recorded: Recorded | null
}): readonly Step[] {
  if (desired === null || desired.services.length === 0) return []
  const before = recorded?.project.notify ?? []
  const after = desired.notify
  const line = { service: notifyName, what: 'notify', transition: null, warning: null }
  if (before.length === 0) {
    if (after.length === 0) return []
    return [{ ...line, kind: 'create', reasons: [note(after.map(nameOfTarget).join(', '))] }]
  }
  if (after.length === 0) return [{ ...line, kind: 'remove', reasons: [note('left the config')] }]
  const reasons = [...changedFields(before, after), ...changedSecrets(before, after)]
  return reasons.length === 0 ? [] : [{ ...line, kind: 'update', reasons, transition: 'no restart' }]
}

function changedFields(before: readonly NotifyTarget[], after: readonly NotifyTarget[]): readonly Reason[] {
  const [had, has] = [before, after].map(
    (targets) => new Map(targets.flatMap((target, index) => fieldsOfTarget(target, prefix(index)))),
  )
  return [...new Set([...has!.keys(), ...had!.keys()])]
    .map((field): Reason => ({ field, from: had!.get(field) ?? null, to: has!.get(field) ?? null, note: null }))
    .filter(({ from, to }) => from !== to)
}

const prefix = (index: number): string => `notify.${index}.`

function changedSecrets(before: readonly NotifyTarget[], after: readonly NotifyTarget[]): readonly Reason[] {
  return after.flatMap(({ secrets }, index) =>
    Object.entries(secrets).flatMap(([name, { digest }]): readonly Reason[] => {
      const former = before[index]?.secrets[name]
      if (former === undefined || former.digest === digest) return []
      const text = digest === null || former.digest === null ? 'value may have changed (not shown)' : 'value changed (not shown)'
      return [{ field: `${prefix(index)}${name}`, from: null, to: null, note: text }]
    }),
  )
}
