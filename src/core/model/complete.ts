/**
 * Records of earlier versions lack what did not exist then. They are completed here, when they are read, and nowhere else: the rest of
 * the code knows one form. What is filled in is what was true without it, so that nothing which runs has to change.
 */

import { balancer, updatePace } from '../config/defaults.ts'
import type { Project, Service } from './service.ts'

/** As the first version wrote it: without containers, routes, and a pace of updates. */
export type RecordedService = Omit<Service, 'container' | 'routes' | 'update'> &
  Partial<Pick<Service, 'container' | 'routes'>> & { readonly update: Partial<Service['update']> & FirstUpdate }
type FirstUpdate = Pick<Service['update'], 'order' | 'deadlineMs' | 'minReadyMs'>

export type RecordedProject = Omit<Project, 'services' | 'balancer'> &
  Partial<Pick<Project, 'balancer'>> & { readonly services: readonly RecordedService[] }

/** The same object where nothing is missing: records are read often, and most are of this version. */
export function completeProject(project: RecordedProject): Project {
  const services = project.services.map(completeService)
  const isWhole = project.balancer !== undefined && services.every((service, index) => service === project.services[index])
  return isWhole ? (project as Project) : { ...project, balancer: project.balancer ?? balancer, services }
}

export function completeService(service: RecordedService): Service {
  const { container, routes, update } = service
  const isWhole = container !== undefined && routes !== undefined && update.drainMs !== undefined
  if (isWhole) return service as Service
  return { ...service, container: container ?? null, routes: routes ?? [], update: { ...updatePace, ...update } }
}
