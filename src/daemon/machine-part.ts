/**
 * What belongs to the machine and to no project: the balancer's slot, and the events about the daemon itself. It is kept like a project, with a
 * revision that is built in and holds forever, so that the balancer goes the way of every other slot.
 */

import { defaultBalancer as balancer } from '../core/keys/balancer.ts'
import { asRevisionNumber } from '../core/model/id.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { ProjectRecord, RevisionRecord } from '../server/records.ts'

/** No project can have it. */
export const machineId: ProjectId = '@machine' as ProjectId

export const machineRecord: ProjectRecord = { place: machineId, name: machineId, stage: null, origin: null }

export const builtInRevision: RevisionRecord = {
  number: asRevisionNumber(1),
  createdAt: '1970-01-01T00:00:00.000Z',
  by: 'daruma',
  cause: 'built in',
  project: { name: '', stage: null, balancer, notify: [], services: [] },
  plan: { base: asRevisionNumber(0), fingerprint: '', steps: [], unchanged: 0 },
  skipsJobs: true,
}
