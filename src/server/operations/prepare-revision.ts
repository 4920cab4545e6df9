/**
 * Brings what a new revision needs to this host, images and releases, before anything that runs is given up for it: what cannot be
 * pulled, unpacked or built is found out while the old revision serves on.
 */

import type { ServiceName, SlotId } from '../../core/model/id.ts'
import type { Service } from '../../core/model/service.ts'
import type { Images } from '../../ports/runtime/images.ts'
import { explainFailure, prepareImages, servicesOfImages } from './prepare-images.ts'
import type { RevisionRecord } from '../records.ts'
import { buildSlot } from '../../core/model/errand-slots.ts'

/** What the host does for it. */
export interface TreePreparation {
  /** Whether trees have to be made before the services can start. */
  isPending(services: readonly Service[]): Promise<boolean>
  /** Null, or the first tree that cannot be made. Never rejects. */
  prepare(
    services: readonly Service[],
    say: (service: ServiceName, message: string) => void,
  ): Promise<{ readonly service: ServiceName; readonly error: unknown } | null>
}

export interface Preparation {
  /** Whether there is anything to prepare. */
  isPending(revision: RevisionRecord, involved: readonly ServiceName[]): Promise<boolean>
  /** Null when all is here. `slot`: whose log has the reason. Never rejects. */
  prepare(
    revision: RevisionRecord,
    involved: readonly ServiceName[],
    say: (service: ServiceName, message: string) => void,
  ): Promise<{ readonly service: ServiceName; readonly slot: SlotId | null; readonly message: string } | null>
}

export function makePreparation(tools: {
  readonly images: Images
  readonly trees: TreePreparation
  readonly passwordFor: (service: Service) => string | null
}): Preparation {
  const involvedIn = ({ project }: RevisionRecord, involved: readonly ServiceName[]): readonly Service[] =>
    project.services.filter(({ name }) => involved.includes(name))
  return {
    async isPending(revision, involved) {
      if (servicesOfImages(revision, involved).length > 0) return true
      return tools.trees.isPending(involvedIn(revision, involved))
    },
    async prepare(revision, involved, say) {
      const { images, passwordFor, trees } = tools
      const services = servicesOfImages(revision, involved)
      const unpulled = await prepareImages({ images, services, project: revision.project.name, passwordFor, say })
      if (unpulled !== null) return { ...unpulled, slot: null }
      const unmade = await trees.prepare(involvedIn(revision, involved), say)
      if (unmade === null) return null
      const message = explainFailure(unmade.error)
      return { service: unmade.service, slot: message.includes('[E_RELEASE_BUILD]') ? buildSlot : null, message }
    },
  }
}
