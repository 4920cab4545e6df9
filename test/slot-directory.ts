/**
 * Where the slots of a state are on disk. `web/0` is the slot of whichever project has one of that name, `shop/web/0` that of the project shop, and
 * `@balancer/0` the machine's own.
 */

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** What the configs of tests are called where they say nothing else. */
export const usualProject = 'test'

export const projectDirectory = (state: string, project: string = usualProject): string => join(state, 'projects', project)

export function slotDirectory(state: string, slot: string): string {
  if (slot.startsWith('@')) return join(state, 'slots', fileName(slot))
  const parts = slot.split('/')
  const [project = usualProject] = parts.length > 2 ? parts : []
  const inside = (of: string): string => join(projectDirectory(state, of), 'slots', fileName(parts.slice(-2).join('/')))
  if (parts.length > 2) return inside(project)
  return projectsOf(state).map(inside).find(existsSync) ?? inside(usualProject)
}

/** Of one project; or (null) of all, and the machine's own. */
export function slotDirectories(state: string, project: string | null = null): readonly string[] {
  const inside = (of: string): string => join(projectDirectory(state, of), 'slots')
  const folders = project === null ? [join(state, 'slots'), ...projectsOf(state).map(inside)] : [inside(project)]
  return folders.flatMap((folder) => list(folder).map((name) => join(folder, name)))
}

const projectsOf = (state: string): readonly string[] => list(join(state, 'projects'))

const fileName = (slot: string): string => slot.replace('/', '.')

function list(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}
