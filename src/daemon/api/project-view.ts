/** A project on one line, for lists of them. */

import type { Daemon } from '../daemon.ts'
import type { ProjectView } from '../../protocol/projects.ts'
import type { Project } from '../project.ts'

export async function viewProject({ projects }: Daemon, project: Project): Promise<ProjectView> {
  const { name, stage, origin } = project.record
  const { revision, services, operation } = project.status(false)
  const counted = services.filter(({ kind }) => kind === 'replicas' || kind === 'singleton')
  const sum = (of: 'desired' | 'ready'): number =>
    counted.reduce((total, service) => total + Math.min(service[of], service.desired), 0)
  return {
    id: project.id,
    name,
    stage,
    revision,
    desired: sum('desired'),
    ready: sum('ready'),
    operation,
    isDown: project.isEmpty(),
    volumes: await projects.volumesOf(project),
    origin,
  }
}
