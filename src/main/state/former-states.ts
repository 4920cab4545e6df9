/**
 * Finds former states (`protocol/former-states.ts`). Whether one may run is asked of the kernel, and of its database while no daemon has it:
 * what is applied there is started by the next command that is given that directory. Nothing there is changed.
 */

import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'

import { observeState } from '../../adapters/state-directory/observe.ts'
import { projectIdOf, type ProjectId } from '../../core/model/project-id.ts'
import { DarumaError } from '../../ports/error.ts'
import type { FormerProject, FormerState, ProjectOfConfig } from '../../protocol/former-states.ts'
import { originsFile } from '../../protocol/origins.ts'
import type { Origin } from '../../protocol/origins.ts'
import { keys, projectPrefix, type RevisionRecord } from '../../server/records.ts'
import { readNames, readText } from '../../system/read-quietly.ts'
import { databaseFile } from './emergency-store.ts'

/** Of all projects, by the kernel alone. */
export function listFormerStates(state: string): readonly FormerState[] {
  return findPlaces(state).map((place) => observe(state, place, place.homes))
}

/** Of one project, also by what is recorded. */
export async function findFormerStates(state: string, project: ProjectOfConfig): Promise<readonly FormerState[]> {
  const places = findPlaces(state).map((place) => ({ place, homes: place.homes.filter((home) => isOf(project, home)) }))
  return Promise.all(places.filter(({ homes }) => homes.length > 0).map(({ place, homes }) => examine(state, place, homes)))
}

/** What a daemon makes in its state directory, and an earlier version may have taken for a project of that name. */
const ownFolders: readonly string[] = ['balancer', 'certificates', 'host', 'projects', 'releases', 'slots', 'volumes']

/** Throws `E_STATE_FORMER` where the daemon's own files would lie within a former state. */
export function refuseInTheWay(state: string): void {
  for (const { directory } of findPlaces(state)) {
    const name = basename(directory)
    if (!ownFolders.includes(name)) continue
    throw new DarumaError(
      'E_STATE_FORMER',
      `${directory} is a state directory of an earlier version, where this one has files of its own.`,
      {
        hint: `Nothing was changed. Take down what runs from it (daruma down --state ${directory}, daruma daemon stop --state ${directory}) and move it away, with its volumes; or choose another state directory with --state.`,
      },
    )
  }
}

/** What the files of a former state tell. */
interface Place {
  readonly directory: string
  /** Whether it has one project, in the directory itself, as the versions before the last had it. */
  readonly isOld: boolean
  readonly homes: readonly Home[]
}

interface Home extends ProjectOfConfig {
  /** Where its slots and volumes are. */
  readonly folder: string
  /** Before its keys in the database. */
  readonly prefix: string
}

interface Named extends ProjectOfConfig {
  readonly place: ProjectId
}

function findPlaces(state: string): readonly Place[] {
  return readNames(state).flatMap((name) => {
    const directory = join(state, name)
    if (!['state.db', 'identity.json'].some((file) => existsSync(join(directory, file)))) return []
    const isOld = existsSync(join(directory, 'slots')) && !existsSync(join(directory, 'projects'))
    return [{ directory, isOld, homes: isOld ? [oldHome(directory)] : findHomes(directory) }]
  })
}

function oldHome(directory: string): Home {
  const [origin = byDirectory(directory)] = readOrigins(join(directory, 'origin.json'))
  return { ...origin, folder: directory, prefix: '' }
}

/** By place, so that each is there once: what has files, and what was applied. */
function findHomes(directory: string): readonly Home[] {
  const folder = join(directory, 'projects')
  const found = readNames(folder).map((name) => byId(name as ProjectId))
  const origins = [...found, ...readOrigins(join(directory, originsFile))]
  const known = new Map((origins.length > 0 ? origins : [byDirectory(directory)]).map((named) => [named.place, named]))
  return [...known].map(([place, named]) => ({ ...named, folder: join(folder, place), prefix: projectPrefix(place) }))
}

function byId(place: ProjectId): Named {
  const [name = place, stage = null] = place.replace(/__\d+$/, '').split('_')
  return { name, stage, file: null, place }
}

/** `shop`, or `shop@prod` with a stage. */
const byDirectory = (directory: string): Named => byId(basename(directory).replace('@', '_') as ProjectId)

/** Of an earlier version's file too, which holds the one that there was. */
function readOrigins(file: string): readonly Named[] {
  try {
    const found = JSON.parse(readText(file)) as Partial<Origin> | readonly Partial<Origin>[]
    return [found].flat().flatMap(nameOrigin)
  } catch {
    return []
  }
}

function nameOrigin({ file = null, stage = null, project: name, place }: Partial<Origin>): readonly Named[] {
  if (name === undefined) return []
  const id = projectIdOf({ name, stage })
  return [{ name, stage, file, place: (place ?? id) as ProjectId }]
}

const isOf = (project: ProjectOfConfig, home: Home): boolean =>
  home.stage === project.stage && (home.name === project.name || (home.file !== null && home.file === project.file))

function observe(state: string, { directory, isOld, homes: all }: Place, homes: readonly Home[]): FormerState {
  const { living, isUnderSystemd } = observeState(directory, [directory, ...all.map(({ folder }) => folder)])
  return { directory, isUnderSystemd, isReadable: !isOld, projects: homes.map((home) => describe(state, home, living)) }
}

function describe(state: string, { name, stage, folder }: Home, mayRun: string | null): FormerProject {
  const volumeFolder = join(folder, 'volumes')
  const newVolumeFolder = join(state, 'projects', findNewPlace(state, projectIdOf({ name, stage })), 'volumes')
  return { name, stage, mayRun, volumeFolder, newVolumeFolder, volumes: readNames(volumeFolder) }
}

/** Its place in the state directory that is for all: a project that was renamed may have the one that is called as this one is. */
function findNewPlace(state: string, id: ProjectId): ProjectId {
  const origins = readOrigins(join(state, originsFile))
  const own = origins.find((each) => projectIdOf(each) === id)
  if (own !== undefined) return own.place
  const taken = new Set<string>(origins.map(({ place }) => place))
  for (let number = 1; ; number += 1) {
    const place = (number === 1 ? id : `${id}__${number}`) as ProjectId
    if (!taken.has(place)) return place
  }
}

async function examine(state: string, place: Place, homes: readonly Home[]): Promise<FormerState> {
  const observed = observe(state, place, homes)
  const applied = await Promise.all(homes.map((home) => findApplied(place, home)))
  // Once more: a daemon that came meanwhile has written to what was read.
  const again = observe(state, place, homes)
  const whys = homes.map((_, at) => again.projects[at]?.mayRun ?? observed.projects[at]?.mayRun ?? applied[at] ?? null)
  return { ...observed, projects: homes.map((home, at) => describe(state, home, whys[at] ?? null)) }
}

/** While no daemon has the database. */
async function findApplied({ directory }: Place, { prefix }: Home): Promise<string | null> {
  try {
    // SQLite is not for anyone who has no former state.
    const { readAside } = await import('../../adapters/sqlite/read-aside.ts')
    return await readAside(databaseFile(directory), (get) => explainApplied((key) => get(`${prefix}${key}`)))
  } catch (error) {
    return `its database cannot be read: ${error instanceof Error ? error.message : String(error)}`
  }
}

function explainApplied(get: (key: string) => string | null): string | null {
  if (get(keys.operation) !== null) return 'an operation of it was never finished'
  const applied = Number(get(keys.applied) ?? 0)
  const revision = get(keys.revision(applied))
  if (revision === null) return applied === 0 ? null : `revision ${applied} is active`
  const { services } = (JSON.parse(revision) as RevisionRecord).project
  return services.length === 0 ? null : `revision ${applied} is active, with ${services.map(({ name }) => name).join(', ')}`
}
