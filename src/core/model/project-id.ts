/**
 * The id of a project: its name, and the stage behind it where it has one (`shop`, `shop_staging`). No name holds an underscore, so that no two
 * projects share an id; and an id is legal in the names of files, cgroups, containers and HAProxy's sections.
 * Where several projects are shown, or share a balancer, their services and slots stand behind it: `shop/web`, `shop/web/0`.
 */

import type { ServiceName, SlotId } from './id.ts'

declare const brand: unique symbol
export type ProjectId = string & { readonly [brand]: 'ProjectId' }

export const projectIdOf = ({ name, stage }: { readonly name: string; readonly stage: string | null }): ProjectId =>
  (stage === null ? name : `${name}_${stage}`) as ProjectId

const namePattern = '[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?'
const projectIdPattern = new RegExp(`^${namePattern}(?:_${namePattern})?$`)

/** Null for what no project can be called. */
export const parseProjectId = (text: string): ProjectId | null => (projectIdPattern.test(text) ? (text as ProjectId) : null)

export const qualifiedService = (project: ProjectId, service: ServiceName): ServiceName => `${project}/${service}` as ServiceName

export const qualifiedSlot = (project: ProjectId, slot: SlotId): SlotId => `${project}/${slot}` as SlotId

/** What stands behind the project's id; null for what is not the project's. */
export const ownPart = <Text extends string>(project: ProjectId, text: Text): Text | null =>
  text.startsWith(`${project}/`) ? (text.slice(project.length + 1) as Text) : null
