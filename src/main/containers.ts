/**
 * What containers need, loaded when something needs it: a daemon that keeps fifty processes must not pay for it. What
 * asks for it is a service with an image, a slot that has held a container, or an engine that holds one of ours.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'

import type { ConnectionOptions, EngineConnection } from '../adapters/docker/connection.ts'
import type { DockerOptions } from '../adapters/docker/index.ts'
import type { LazyRuntime } from '../daemon/runtime-by-kind.ts'
import { epochDirectory, newestStarted, parseSlotName, readEpochNote, slotPaths } from '../host/slot-files.ts'
import type { Images } from '../ports/runtime/images.ts'

export interface AssembledContainers extends AsyncDisposable {
  /** `wantsContainers`: whether what should be in the project has an image. */
  readonly runtimeOf: (project: ProjectOptions & { readonly wantsContainers: () => boolean }) => LazyRuntime
  readonly images: Images
}

/** Asked only where a state directory has lost its identity. */
export async function askContainers(directory: string): Promise<string | null> {
  const { findStateOfDirectory } = await import('../adapters/docker/state-of-directory.ts')
  return findStateOfDirectory(process.env, directory)
}
type ProjectOptions = Pick<DockerOptions, 'stateDirectory' | 'stateId'>

/** A frozen engine must not keep a daemon from getting up that may have nothing to do with it. */
const askLimitMs = 1000

/** One connection for all projects; a runtime for each. */
export function assembleContainers(
  options: Pick<DockerOptions, 'checkpoint' | 'log'> & Pick<ConnectionOptions, 'onEngine'>,
): AssembledContainers {
  const environment = process.env
  const { checkpoint, log, onEngine } = options
  let connected: Promise<EngineConnection> | null = null
  const connect = (): Promise<EngineConnection> =>
    (connected ??= import('../adapters/docker/connection.ts').then(({ connectEngine }) =>
      connectEngine({ environment, log, onEngine }),
    ))
  return {
    runtimeOf: ({ stateDirectory, stateId, wantsContainers }) => ({
      load: async () => {
        const { createContainers } = await import('../adapters/docker/index.ts')
        return createContainers({ stateDirectory, stateId, checkpoint, log }, await connect())
      },
      isNeeded: async () => {
        if (wantsContainers() || hasHeldContainers(stateDirectory)) return true
        const { hasLabelledContainers } = await import('../adapters/docker/engine/sockets.ts')
        return hasLabelledContainers({ environment, label: `daruma.state=${stateId}`, limitMs: askLimitMs })
      },
    }),
    images: {
      ensure: async (request, onProgress) => (await connect()).images.ensure(request, onProgress),
      // Questions of a plan or of doctor must not make the daemon larger: they can be answered without the rest.
      examine: async () => {
        const { examineEngine } = await import('../adapters/docker/engine/sockets.ts')
        return examineEngine(environment)
      },
      findFault: async () => {
        if (connected !== null) return (await connected).images.findFault()
        const { findEngineFault } = await import('../adapters/docker/engine/sockets.ts')
        return findEngineFault(environment)
      },
    },
    async [Symbol.asyncDispose]() {
      if (connected !== null) (await connected)[Symbol.dispose]()
    },
  }
}

function hasHeldContainers(stateDirectory: string): boolean {
  return readdirSync(join(stateDirectory, 'slots')).some((name) => {
    const slot = parseSlotName(name)
    if (slot === null) return false
    const paths = slotPaths(stateDirectory, slot)
    const epoch = newestStarted(paths)
    return epoch !== null && readEpochNote(epochDirectory(paths, epoch))?.container !== undefined
  })
}
