/** Where projects have their files (`projects/<place>` in the state directory), and what runs their instances. */

import { existsSync, readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'

import { createProcessRuntime } from '../adapters/process/index.ts'
import type { ProcessRuntimeOptions } from '../adapters/process/options.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { DaemonPorts, Home } from '../daemon/daemon-facts.ts'
import { RuntimeByKind } from '../daemon/runtime-by-kind.ts'
import type { StateDirectory } from '../ports/storage/state-directory.ts'
import type { AssembledContainers } from './containers.ts'

export interface HomesOptions extends Required<
  Pick<ProcessRuntimeOptions, 'scripts' | 'checkpoint' | 'log' | 'starts' | 'survey'>
> {
  readonly directory: StateDirectory
  readonly containers: AssembledContainers
  /** Whether what should be in the project has an image. */
  readonly wantsContainers: (place: ProjectId) => boolean
}

type Homes = Pick<DaemonPorts, 'openHome' | 'listHomes' | 'listVolumes' | 'removeHome'>

export function createHomes(options: HomesOptions): Homes {
  const { directory, containers, scripts, checkpoint, log, starts, survey } = options
  const folderOf = (place: ProjectId): string => join('projects', place)
  const pathOf = (place: ProjectId): string => directory.pathOf(folderOf(place))
  return {
    async openHome(place): Promise<Home & AsyncDisposable> {
      const own = await directory.folder(folderOf(place))
      const processes = await createProcessRuntime({
        stateDirectory: own.path,
        stateId: directory.stateId,
        project: place,
        machineDirectory: directory.path,
        scripts,
        checkpoint,
        log,
        starts,
        survey,
      })
      const container = containers.runtimeOf({
        stateDirectory: own.path,
        stateId: `${directory.stateId}_${place}`,
        wantsContainers: () => options.wantsContainers(place),
      })
      const runtime = new RuntimeByKind({ process: processes, container })
      return { directory: own, runtime, [Symbol.asyncDispose]: () => runtime[Symbol.asyncDispose]() }
    },
    // Where nothing but volumes is, a project was removed: no daemon needs to look whether anything runs there.
    listHomes: async () =>
      (foldersIn(directory.pathOf('projects')) as readonly ProjectId[]).filter((place) =>
        namesIn(pathOf(place)).some((name) => name !== 'volumes'),
      ),
    listVolumes: async (place) => foldersIn(join(pathOf(place), 'volumes')),
    async removeHome(place, volumes) {
      const path = pathOf(place)
      for (const name of volumes) await rm(join(path, 'volumes', name), { recursive: true, force: true })
      const isKept = foldersIn(join(path, 'volumes')).length > 0
      for (const name of namesIn(path))
        if (name !== 'volumes' || !isKept) await rm(join(path, name), { recursive: true, force: true })
      if (!isKept) await rm(path, { recursive: true, force: true })
    },
  }
}

function namesIn(path: string): readonly string[] {
  return existsSync(path) ? readdirSync(path) : []
}

function foldersIn(path: string): readonly string[] {
  if (!existsSync(path)) return []
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted()
}
