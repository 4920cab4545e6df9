/**
 * What containers need, loaded when something needs it: a daemon that keeps fifty processes must not pay for it. What
 * asks for it is a service with an image, a slot that has held a container, or an engine that holds one of ours.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'

import type { Containers, DockerOptions } from '../adapters/docker/index.ts'
import type { LazyRuntime } from '../daemon/runtime-by-kind.ts'
import { epochDirectory, newestStarted, parseSlotName, readEpochNote, slotPaths } from '../host/slot-files.ts'
import type { Images } from '../ports/images.ts'

export interface AssembledContainers {
  readonly runtime: LazyRuntime
  readonly images: Images
}

/** Asked only where a state directory has lost its identity. */
export async function askContainers(directory: string): Promise<string | null> {
  const { findStateOfDirectory } = await import('../adapters/docker/state-of-directory.ts')
  return findStateOfDirectory(process.env, directory)
}

/** A frozen engine must not keep a daemon from getting up that may have nothing to do with it. */
const askLimitMs = 1000

export function assembleContainers(
  options: Omit<DockerOptions, 'environment'> & { readonly wantsContainers: () => boolean },
): AssembledContainers {
  const environment = process.env
  let loaded: Promise<Containers> | null = null
  const load = (): Promise<Containers> => {
    loaded ??= import('../adapters/docker/index.ts').then(({ createContainers }) => createContainers({ ...options, environment }))
    return loaded
  }
  return {
    runtime: {
      load: async () => (await load()).runtime,
      isNeeded: async () => {
        if (options.wantsContainers() || hasHeldContainers(options.stateDirectory)) return true
        const { hasLabelledContainers } = await import('../adapters/docker/engine/sockets.ts')
        return hasLabelledContainers({ environment, label: `daruma.state=${options.stateId}`, limitMs: askLimitMs })
      },
    },
    images: {
      ensure: async (request, onProgress) => (await load()).images.ensure(request, onProgress),
      // Questions of a plan or of doctor must not make the daemon larger: they can be answered without the rest.
      examine: async () => {
        const { examineEngine } = await import('../adapters/docker/engine/sockets.ts')
        return examineEngine(environment)
      },
      findFault: async () => {
        if (loaded !== null) return (await loaded).images.findFault()
        const { findEngineFault } = await import('../adapters/docker/engine/sockets.ts')
        return findEngineFault(environment)
      },
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
