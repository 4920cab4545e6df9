/** A project on one line, for lists of them. */

import type { ProjectView } from '../../protocol/projects.ts'
import type { Project } from '../project.ts'

export function viewProject(project: Project): ProjectView {
  const { name, stage, origin } = project.record
  const { revision, services, operation } = project.status(false)
  const counted = services.filter(({ kind }) => kind === 'replicas' || kind === 'singleton')
  const sum = (of: 'desired' | 'ready'): number => counted.reduce((total, service) => total + service[of], 0)
  return { id: project.id, name, stage, revision, desired: sum('desired'), ready: sum('ready'), operation, origin }
}
