/**
 * Records of earlier versions lack what did not exist then, or have it in another form. They are completed here, when they are read, and
 * nowhere else: the rest of the code knows one form. What is filled in is what was true without it (each key's description says that), so
 * that nothing which runs has to change. A key that is new needs nothing here; one whose form changes does.
 */

import { balancer, type BalancerSettings, defaultBalancer } from '../keys/balancer.ts'
import { completeParts } from '../keys/service.ts'
import type { Container, Project, Runs, Service } from './service.ts'

/** As any version wrote it. */
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
  readonly container?: FormerContainer | null
}

type FormerContainer = Omit<Container, 'kind' | 'command' | 'directory' | 'user' | 'containerPort'> & {
  readonly port: number | null
}

export type RecordedProject = Omit<Project, 'services' | 'balancer' | 'notify'> &
  Partial<Pick<Project, 'notify'>> & { readonly balancer?: Partial<BalancerSettings> } & {
    readonly services: readonly RecordedService[]
  }

/** The same object where nothing is missing: records are read often, and most are of this version. */
export function completeProject(project: RecordedProject): Project {
  const services = project.services.map(completeService)
  const settings = project.balancer === undefined ? defaultBalancer : balancer.complete(project.balancer as BalancerSettings)
  const { notify = [] } = project
  const isWhole =
    settings === project.balancer &&
    notify === project.notify &&
    services.every((service, index) => service === project.services[index])
  return isWhole ? (project as Project) : { ...project, balancer: settings, notify, services }
}

export function completeService(recorded: RecordedService): Service {
  return completeParts(('runs' in recorded ? recorded : withRuns(recorded)) as Service)
}

function withRuns(recorded: Exclude<RecordedService, Pick<Service, 'runs'>>): Extract<RecordedService, Pick<Service, 'runs'>> {
  const { command, directory, user, container = null, ...service } = recorded
  return {
    ...service,
    runs: container === null ? { kind: 'process', command, source: null, directory, user } : formerContainer(container, recorded),
  }
}

function formerContainer(
  { port, ...container }: FormerContainer,
  { command, directory, user }: Omit<FormerRuns, 'container'>,
): Runs {
  return {
    kind: 'container',
    ...container,
    containerPort: port,
    command: command.length === 0 ? null : command,
    directory: directory === '' ? null : directory,
    user,
  }
}
