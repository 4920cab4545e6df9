/** `daruma project ls | rm`, and `daruma ls`: about all projects of the machine, whatever config is in reach. */

import { join } from 'node:path'

import { nearest } from '../../core/values/nearest.ts'
import { DarumaError } from '../../ports/error.ts'
import type { KeptVolumes, ProjectView } from '../../protocol/projects.ts'
import type { Client } from '../daemon/client.ts'
import { connect, neverUsed } from '../daemon/connect.ts'
import { resolveState } from '../daemon/state.ts'
import { renderKept, renderProjects, renderServiceList, serviceList } from '../render/projects.ts'
import { confirm } from '../screen/confirm.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'

export async function list(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const client = await connectMachine(context, invocation)
  const projects = client === null ? [] : await client.projects()
  if (invocation.json) {
    terminal.print(JSON.stringify(projects))
    return 0
  }
  const view = { palette: terminal.palette, columns: terminal.columns(), nowMs: Date.now() }
  terminal.print(renderProjects(projects, view).join('\n'))
  for (const line of renderKept(client === null ? [] : await client.keptVolumes())) terminal.print(line)
  return 0
}

/** Every service of every project on a line: `daruma ls`. */
export async function listServices(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const client = await connectMachine(context, invocation)
  if (client !== null) client.project = invocation.text('project')
  const status = client === null ? null : await client.status()
  const projects = client === null ? [] : await client.projects()
  const services = status === null ? [] : serviceList(status, projects)
  const view = { palette: terminal.palette, columns: terminal.columns(), nowMs: Date.now() }
  terminal.print(invocation.json ? JSON.stringify(services) : renderServiceList(services, view).join('\n'))
  return 0
}

export async function remove(context: Context, invocation: Invocation): Promise<number> {
  const { terminal } = context
  const [name = ''] = invocation.words
  const client = await connectMachine(context, invocation)
  if (client === null) throw neverUsed(resolveState(context, invocation))
  const [projects, kept] = [await client.projects(), await client.keptVolumes()]
  const project = projects.find(({ id }) => id === name)
  const left = kept.find(({ id }) => id === name)
  if (project === undefined && left === undefined) throw unknownProject(name, projects, kept)
  if (project !== undefined && !project.isDown) throw isUp(project)
  const volumes = [...new Set(invocation.list('volume'))]
  const present = project?.volumes ?? left?.volumes ?? []
  const stranger = volumes.find((volume) => !present.includes(volume))
  if (stranger !== undefined) throw unknownVolume(name, stranger, present)
  if (project === undefined && volumes.length === 0) throw nothingNamed(name, present)
  if (!invocation.json) for (const line of announce(name, { project, volumes, present })) terminal.note(line)
  if (!(await confirm(context, invocation, project === undefined ? 'Remove them?' : `Remove ${name}?`))) return 1
  const answer = await client.removeProject(name, { volumes })
  if (invocation.json) terminal.print(JSON.stringify({ project: name, removed: volumes, ...answer }))
  else {
    terminal.print(project === undefined ? `Removed: ${volumes.join(', ')}.` : `${name} is removed.`)
    for (const volume of answer.kept) terminal.print(`kept: ${volume}, in ${join(answer.directory, volume)}`)
  }
  return 0
}

interface Removal {
  /** Undefined: it was removed before, and has left its volumes. */
  readonly project: ProjectView | undefined
  readonly volumes: readonly string[]
  readonly present: readonly string[]
}

function announce(name: string, { project, volumes, present }: Removal): readonly string[] {
  const stays = present.filter((volume) => !volumes.includes(volume))
  return [
    ...(project === undefined
      ? []
      : [`${name}, revision ${project.revision}: its history, events, logs, secrets and releases go.`]),
    ...(volumes.length === 0 ? [] : [`Its volumes go, with all that is in them: ${volumes.join(', ')}.`]),
    ...(stays.length === 0 ? [] : [`Its volumes stay: ${stays.join(', ')}. (--volume NAME removes one.)`]),
  ]
}

/** Null where nothing was ever applied. */
async function connectMachine(context: Context, invocation: Invocation): Promise<Client | null> {
  return connect(context, resolveState(context, invocation), 'if-used')
}

function isUp({ id, operation }: ProjectView): DarumaError {
  const what = operation === null ? 'is up' : 'has an operation under way'
  return new DarumaError('E_PROJECT_RUNNING', `${id} ${what}: only a project that is down can be removed.`, {
    hint: `\`daruma down -p ${id}\` takes it down.`,
  })
}

function unknownVolume(project: string, volume: string, present: readonly string[]): DarumaError {
  const near = nearest(volume, present)
  const there = present.length === 0 ? 'It has none.' : `It has: ${present.join(', ')}.`
  return new DarumaError('E_VOLUME_UNKNOWN', `${project} has no volume ${volume}.`, {
    hint: near === null ? there : `Did you mean ${near}?`,
  })
}

function nothingNamed(project: string, present: readonly string[]): DarumaError {
  return new DarumaError(
    'E_PROJECT_UNKNOWN',
    `${project} was removed before; only its volumes are left: ${present.join(', ')}.`,
    {
      hint: `\`daruma project rm ${project} --volume ${present[0]}\` removes one of them.`,
    },
  )
}

function unknownProject(name: string, projects: readonly ProjectView[], kept: readonly KeptVolumes[]): DarumaError {
  const ids = [...projects, ...kept].map(({ id }) => id)
  const near = nearest(name, ids)
  const there = ids.length === 0 ? 'There is none.' : `There are: ${ids.join(', ')}.`
  return new DarumaError('E_PROJECT_UNKNOWN', `There is no project ${name} on this machine.`, {
    hint: near === null ? there : `Did you mean ${near}?`,
  })
}
