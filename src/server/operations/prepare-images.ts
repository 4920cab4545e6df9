/**
 * Brings the images of a new revision to this host before anything that runs is given up for it: a registry that is away, a name that
 * is wrong, a build that fails are found out while the old revision serves on.
 */

import type { ServiceName } from '../../core/model/id.ts'
import type { Service } from '../../core/model/service.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Images } from '../../ports/runtime/images.ts'
import type { RevisionRecord } from '../records.ts'

/** Those of the involved services that run from an image. */
export function servicesOfImages({ project }: RevisionRecord, involved: readonly ServiceName[]): readonly Service[] {
  return project.services.filter(({ name, runs }) => runs.kind === 'container' && involved.includes(name))
}

export interface PrepareOptions {
  readonly images: Images
  readonly services: readonly Service[]
  readonly project: string
  readonly passwordFor: (service: Service) => string | null
  readonly say: (service: ServiceName, message: string) => void
}

/** One after the other, so that the lines can be read; null when all are here, else the first that cannot be had. Never rejects. */
export async function prepareImages(
  options: PrepareOptions,
): Promise<{ readonly service: ServiceName; readonly message: string } | null> {
  const { images, project, say } = options
  for (const service of options.services) {
    const { name, runs } = service
    if (runs.kind !== 'container') continue
    try {
      const password = options.passwordFor(service)
      await images.ensure({ project, service: name, container: runs, password }, (message) => say(name, message))
    } catch (error) {
      return { service: name, message: explainFailure(error) }
    }
  }
  return null
}

export function explainFailure(error: unknown): string {
  if (!(error instanceof DarumaError)) return error instanceof Error ? error.message : String(error)
  return `${error.message} [${error.code}]${error.hint === null ? '' : `. ${error.hint}`}`
}
