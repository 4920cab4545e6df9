/** The routes about projects as such: which there are, what removed ones have left, how one goes, and how one gets another name or config. */

import { parseProjectId } from '../../core/model/project-id.ts'
import type { Answer, Call, Route } from '../../ports/api.ts'
import { DarumaError } from '../../ports/error.ts'
import { handOverRequest, removeProjectRequest } from '../../protocol/schema.ts'
import type { Daemon } from '../daemon.ts'
import type { Project } from '../project.ts'
import { viewProject } from './project-view.ts'
import { projectOf } from './shown.ts'

export function projectRoutes(daemon: Daemon): readonly Route[] {
  const { projects } = daemon
  return [
    {
      method: 'GET',
      path: '/v1/projects',
      handle: async () => json(await Promise.all(projects.list().map((each) => viewProject(daemon, each)))),
    },
    { method: 'GET', path: '/v1/projects/kept', handle: async () => json(await projects.kept()) },
    { method: 'POST', path: '/v1/projects/*/remove', handle: (call) => removeProject(daemon, call) },
    {
      method: 'POST',
      path: '/v1/projects/*/hand-over',
      handle: async (call) => {
        const project = named(daemon, call)
        await projects.handOver(project, handOverRequest(call.body, 'request'))
        return json(await viewProject(daemon, project))
      },
    },
  ]
}

const json = (body: unknown): Answer => ({ kind: 'json', body })

function named(daemon: Daemon, { parameters: [text = ''] }: Call): Project {
  return projectOf(daemon, { query: new URLSearchParams({ project: text }) })
}

async function removeProject(daemon: Daemon, call: Call): Promise<Answer> {
  const { volumes } = removeProjectRequest(call.body, 'request')
  const id = parseProjectId(call.parameters[0] ?? '')
  if (id === null || daemon.projects.find(id) !== null) return json(await daemon.projects.remove(named(daemon, call), volumes))
  const answer = await daemon.projects.removeKept(id, volumes)
  if (answer !== null) return json(answer)
  throw new DarumaError('E_PROJECT_UNKNOWN', `There is no project ${id}, and no removed one has left volumes.`, {
    hint: '`daruma project ls` lists both.',
  })
}
