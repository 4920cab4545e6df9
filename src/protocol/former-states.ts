/**
 * Former states: state directories below the one that is for all projects now. An earlier version gave each project one of its own
 * (`/var/lib/daruma/shop`, `shop@prod`), where it may still run; started from the common one as well, it would run twice (decision 31).
 */

import { projectIdOf } from '../core/model/project-id.ts'
import { DarumaError } from '../ports/error.ts'

export interface FormerState {
  readonly directory: string
  readonly isUnderSystemd: boolean
  /** Whether this version's daemon can take it up; else only the version that made it can. */
  readonly isReadable: boolean
  /** Never empty. */
  readonly projects: readonly FormerProject[]
}

export interface FormerProject {
  readonly name: string
  readonly stage: string | null
  /** Why something of it may run or be started, as far as was looked; null for nothing. */
  readonly mayRun: string | null
  /** The folder that its volumes are in. */
  readonly volumeFolder: string
  /** The folder that they would be in, to be used from the state directory that is for all. */
  readonly newVolumeFolder: string
  readonly volumes: readonly string[]
}

/** What an `up` is about. `file`: the config, absolute; null where it is not known. */
export interface ProjectOfConfig {
  readonly name: string
  readonly stage: string | null
  readonly file: string | null
}

/**
 * Throws `E_STATE_FORMER`, with the commands that help, where one of the states may run what `state` is about to start, or has its volumes.
 * `formers`: what was found of this one project below `state`, looked at thoroughly.
 */
export function refuseFormer(state: string, formers: readonly FormerState[]): void {
  for (const former of formers)
    for (const project of former.projects)
      if (project.mayRun !== null || project.volumes.length > 0) throw explain(state, former, project)
}

/** One sentence, for anyone who looks at the machine; null where nothing of it runs. */
export function describeFormer({ directory, projects, isReadable }: FormerState): string | null {
  const living = projects.filter(({ mayRun }) => mayRun !== null)
  const [first] = living
  if (first === undefined) return null
  const names = living.map(projectIdOf).join(', ')
  const look = `\`daruma status --state ${quote(directory)}\`${isReadable ? '' : ' of the version that made it'}`
  return `${names} may run from a state directory of an earlier version, ${directory} (${first.mayRun}). ${look} shows it.`
}

function explain(state: string, former: FormerState, project: FormerProject): DarumaError {
  const { directory } = former
  const id = projectIdOf(project)
  const isUp = project.mayRun !== null
  const message = isUp
    ? `${id} has a state directory of its own, ${directory}, and may run from there (${project.mayRun}). From ${state} it would be started a second time.`
    : `The volumes of ${id} (${project.volumes.join(', ')}) are in the state directory that it had before, ${directory}. From ${state} it would start with empty ones.`
  const commands = [...(isUp ? takeDown(former) : []), ...moveVolumes(project), 'daruma up']
  const how = isUp
    ? `Either stay there: --state ${quote(directory)}, or DARUMA_STATE. Or bring it over, with one stop`
    : 'Move them, and they are used from here (or rename their folder, and they stay)'
  return new DarumaError('E_STATE_FORMER', message, {
    hint: `Nothing was changed. ${how}:\n${commands.map((command) => `  ${command}`).join('\n')}`,
  })
}

/**
 * Its daemon ends first, so that one of this version, which `down` starts, is asked: another version may not understand it. It ends last too,
 * so that its database can be read.
 */
function takeDown({ directory, isUnderSystemd, isReadable }: FormerState): readonly string[] {
  const state = `--state ${quote(directory)}`
  const end = `daruma daemon ${isUnderSystemd ? 'uninstall' : 'stop'} ${state}`
  if (!isReadable) return [`daruma down ${state} && ${end}   # both with the version that made it`]
  return [`${end} && daruma down ${state} && daruma daemon stop ${state}`]
}

function moveVolumes({ volumes, volumeFolder, newVolumeFolder }: FormerProject): readonly string[] {
  if (volumes.length === 0) return []
  const target = quote(newVolumeFolder)
  const sources = volumes.map((name) => quote(`${volumeFolder}/${name}`)).join(' ')
  return [`mkdir -p ${target} && mv ${sources} ${target}/`]
}

/** For a shell. */
const quote = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`)
