/** Why a service's step is in the plan: the fields in which two versions of it differ, one reason each. Values of secrets never show. */

import { registryPassword, secretsOf } from '../model/secrets-of.ts'
import type { Service } from '../model/service.ts'
import { compareManifests, describeChanges } from '../release/changes.ts'
import type { Manifest } from '../release/manifest.ts'
import { releaseField } from '../keys/source.ts'
import { isSame } from './is-same.ts'
import type { Reason } from './plan.ts'
import { serviceParts, showPart } from '../keys/service.ts'

/** Releases by digest, as far as they are at hand: with both, a change of code is told by the names of its files. */
export type Manifests = ReadonlyMap<string, Manifest>

/** Empty when the two are the same; in the order of the parts of a service. */
export function explainDifference(before: Service, after: Service, manifests: Manifests = new Map()): readonly Reason[] {
  return serviceParts.flatMap((part) => {
    if (isSame(before[part], after[part])) return []
    const reasons = [
      ...differencesOf(showPart(before, part), showPart(after, part))
        .filter(({ field }) => !comesWithImage(before, after, field))
        .map((reason) => (reason.field === releaseField ? explainRelease(before, after, manifests) : reason)),
      ...(part === 'secrets' || part === 'runs' ? changedSecrets(before, after, part) : []),
    ]
    return reasons.length > 0 ? reasons : [{ field: part, from: null, to: null, note: 'in another order' }]
  })
}

function differencesOf(from: ReadonlyMap<string, string>, to: ReadonlyMap<string, string>): readonly Reason[] {
  const fields = [...new Set([...from.keys(), ...to.keys()])].filter((field) => from.get(field) !== to.get(field))
  const own = fields.filter((field) => from.has(parentOf(field)) === to.has(parentOf(field)))
  return own.map((field) => ({ field, from: from.get(field) ?? null, to: to.get(field) ?? null, note: null }))
}

function explainRelease(before: Service, after: Service, manifests: Manifests): Reason {
  const [from, to] = [before, after].map(({ runs }) => manifests.get(runs.kind === 'process' ? (runs.source?.digest ?? '') : ''))
  const text = from === undefined || to === undefined ? 'files changed' : describeChanges(compareManifests(from, to))
  return { field: 'source', from: null, to: null, note: text }
}

/** A probe, schedule or source that came or went is one reason; what belongs to it came or went with it. A domain's dots are its own. */
function parentOf(field: string): string {
  return /^(?:health|schedule|source)\./.test(field) ? field.slice(0, field.lastIndexOf('.')) : ''
}

/** So is an image, for whatever only a container has. */
function comesWithImage(before: Service, after: Service, field: string): boolean {
  return before.runs.kind !== after.runs.kind && containerFields.includes(field)
}

const containerFields = ['pull', 'registry.username', 'registry.password', 'containerPort', 'readOnly', 'capabilities', 'network']

export function note(text: string): Reason {
  return { field: '', from: null, to: null, note: text }
}

function changedSecrets(before: Service, after: Service, part: 'secrets' | 'runs'): readonly Reason[] {
  const formers = secretsOf(before)
  return Object.entries(secretsOf(after)).flatMap(([name, { digest }]) => {
    if ((name === registryPassword) !== (part === 'runs')) return []
    const former = Object.hasOwn(formers, name) ? formers[name] : undefined
    if (former === undefined || former.digest === digest) return []
    const text = digest === null || former.digest === null ? 'value may have changed (not shown)' : 'value changed (not shown)'
    return [{ field: part === 'secrets' ? `secrets.${name}` : name, from: null, to: null, note: text }]
  })
}
