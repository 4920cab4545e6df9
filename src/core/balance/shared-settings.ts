/**
 * The balancer's settings where several projects share it: a project that says one is heard, one that says nothing agrees with the others, and two
 * that disagree are a refusal, made at plan. To say the default is to say nothing.
 */

import { defaultBalancer as usual } from '../keys/balancer.ts'
import { canonicalJson } from '../model/service.ts'
import type { BalancerSettings } from '../model/service.ts'

export interface SettingsOfProject {
  readonly project: string
  readonly settings: BalancerSettings
}

export interface Disagreement {
  /** `httpPort`, `limits.connections`. */
  readonly field: string
  readonly one: { readonly project: string; readonly value: string }
  readonly other: { readonly project: string; readonly value: string }
}

/** Of two that disagree the one that comes first is heard; `disagreements` has each field once. */
export function shareSettings(projects: readonly SettingsOfProject[]): {
  readonly settings: BalancerSettings
  readonly disagreements: readonly Disagreement[]
} {
  const said = new Map<string, { readonly project: string; readonly value: unknown }>()
  const disagreements = new Map<string, Disagreement>()
  for (const { project, settings } of projects) {
    for (const [field, value] of fieldsOf(settings)) {
      if (isSame(value, usualFields.get(field))) continue
      const before = said.get(field)
      if (before === undefined) said.set(field, { project, value })
      else if (!isSame(before.value, value) && !disagreements.has(field))
        disagreements.set(field, { field, one: show(before), other: show({ project, value }) })
    }
  }
  const heard = (field: string): unknown => (said.has(field) ? said.get(field)?.value : usualFields.get(field))
  const limits = Object.fromEntries(Object.keys(usual.limits).map((key) => [key, heard(`limits.${key}`)]))
  const others = Object.keys(usual).filter((key) => key !== 'limits')
  const settings = { ...Object.fromEntries(others.map((key) => [key, heard(key)])), limits } as unknown as BalancerSettings
  return { settings, disagreements: [...disagreements.values()] }
}

function fieldsOf({ limits, ...settings }: BalancerSettings): readonly (readonly [string, unknown])[] {
  return [...Object.entries(settings), ...Object.entries(limits).map(([key, value]) => [`limits.${key}`, value] as const)]
}

const usualFields: ReadonlyMap<string, unknown> = new Map(fieldsOf(usual))

const isSame = (a: unknown, b: unknown): boolean => canonicalJson(a) === canonicalJson(b)

const show = ({ project, value }: { readonly project: string; readonly value: unknown }): Disagreement['one'] => ({
  project,
  value: typeof value === 'string' ? value : JSON.stringify(value),
})
