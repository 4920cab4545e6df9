/**
 * Records of earlier versions lack what did not exist then, or have it in another form. They are completed here, when they are read, and
 * nowhere else: the rest of the code knows one form. What is filled in is what was true without it, so that nothing which runs has to
 * change.
 */

import { balancer, updatePace } from '../config/defaults.ts'
import type { Container, Project, Runs, Service } from './service.ts'

/** As any version wrote it: first without containers, routes, and a pace of updates; then with a container that may be null; now with `runs`. */
export type RecordedService = Omit<Service, 'runs' | 'routes' | 'update'> &
  Partial<Pick<Service, 'routes'>> & { readonly update: Partial<Service['update']> & FirstUpdate } & (
    | Pick<Service, 'runs'>
    | FormerRuns
  )
type FirstUpdate = Pick<Service['update'], 'order' | 'deadlineMs' | 'minReadyMs'>

/** Until layout 2. An empty command or directory of a container stood for the image's own. */
interface FormerRuns {
  readonly command: readonly string[]
  readonly directory: string
  readonly user: string | null
  readonly container?: Omit<Container, 'kind' | 'command' | 'directory' | 'user'> | null
}

export type RecordedProject = Omit<Project, 'services' | 'balancer'> &
  Partial<Pick<Project, 'balancer'>> & { readonly services: readonly RecordedService[] }

/** The same object where nothing is missing: records are read often, and most are of this version. */
export function completeProject(project: RecordedProject): Project {
  const services = project.services.map(completeService)
  const isWhole = project.balancer !== undefined && services.every((service, index) => service === project.services[index])
  return isWhole ? (project as Project) : { ...project, balancer: project.balancer ?? balancer, services }
}

export function completeService(recorded: RecordedService): Service {
  const service = 'runs' in recorded ? recorded : withRuns(recorded)
  const { routes, update } = service
  const isWhole = routes !== undefined && update.drainMs !== undefined
  if (isWhole) return service as Service
  return { ...service, routes: routes ?? [], update: { ...updatePace, ...update } }
}

function withRuns(recorded: Exclude<RecordedService, Pick<Service, 'runs'>>): Extract<RecordedService, Pick<Service, 'runs'>> {
  const { command, directory, user, container = null, ...service } = recorded
  const runs: Runs =
    container === null
      ? { kind: 'process', command, directory, user }
      : {
          kind: 'container',
          ...container,
          command: command.length === 0 ? null : command,
          directory: directory === '' ? null : directory,
          user,
        }
  return { ...service, runs }
}
