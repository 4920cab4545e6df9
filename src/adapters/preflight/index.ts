/**
 * What can be known before anything is started: whether a service's folder, user, program and port are there. Read only, and of all
 * services at once: anyone who has four faults is told four.
 */

import { resolve } from 'node:path'

import type { Obstacle } from '../../core/plan/obstacles.ts'
import type { Project, Runs, Service } from '../../core/model/service.ts'
import { explainDirectory } from './directory.ts'
import { portsOf, readPorts, type PortTable } from './ports.ts'
import { explainPrograms } from './program.ts'
import { explainUlimits } from './ulimits.ts'
import { explainUser } from './user.ts'
import { readRlimitRights, type RlimitRights } from '../../system/rlimits.ts'

export interface PreflightOptions {
  /** Those that are to be started again. */
  readonly services: readonly Service[]
  readonly project: Project
  /** Where the daemon's Node is: the end of every service's PATH. */
  readonly nodeDirectory: string
  /** Of our own instances: what they, or their children, hold is no obstacle. */
  readonly ownPids: readonly number[]
  /** Whose limits the services get. Null where no daemon runs: the command starts one, which inherits its limits. */
  readonly daemonPid: number | null
}

export async function preflight(options: PreflightOptions): Promise<readonly Obstacle[]> {
  const table = readPorts(options.ownPids)
  const rights = readRlimitRights(options.daemonPid ?? 'self')
  const obstacles: Obstacle[] = []
  for (const service of options.services) obstacles.push(...(await examine(service, { ...options, table, rights })))
  return obstacles
}

type Examination = PreflightOptions & { readonly table: PortTable; readonly rights: RlimitRights }

async function examine(service: Service, options: Examination): Promise<readonly Obstacle[]> {
  const { name } = service
  const runs = placed(service.runs)
  const faults: (readonly [Obstacle['kind'], string | null])[] = []
  if (runs.kind === 'process') {
    // What stands in a volume is seen by the service alone, and what stands in a release is still to be built.
    const isSeen = (path: string): boolean =>
      !(runs.source !== null && isWithin(path, releaseRoot)) &&
      !service.volumes.some(({ target }) => target !== null && isWithin(path, target))
    const directory = isSeen(runs.directory) ? await explainDirectory(runs.directory) : null
    faults.push(['directory', directory])
    if (runs.user !== null) faults.push(['user', await explainUser(runs.user)])
    const { nodeDirectory } = options
    const programs = directory === null ? await explainPrograms({ service, runs, nodeDirectory, isSeen }) : []
    for (const message of programs) faults.push(['program', message])
  }
  if (runs.kind === 'process')
    for (const message of explainUlimits(service.ulimits, options.rights)) faults.push(['ulimit', message])
  for (const wanted of portsOf(service, options.project)) faults.push(['port', options.table.explain(wanted)])
  return faults.flatMap(([kind, message]) => (message === null ? [] : [{ service: name, kind, message }]))
}

/** No such folder is there: it stands for wherever a release will be seen. */
const releaseRoot = '/@release'

/** With an absolute directory, whatever it is relative to. */
const placed = (runs: Runs): Runs =>
  runs.kind === 'process' && runs.source !== null ? { ...runs, directory: resolve(releaseRoot, runs.directory) } : runs

const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`)
