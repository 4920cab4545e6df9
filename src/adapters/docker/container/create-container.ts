/**
 * Makes the container that holds a slot's name. It runs nothing yet: a creation that is carried out late, by an engine that was frozen,
 * is only a name that the next start clears, because nobody knows its id to start it.
 */

import { parseSlotId } from '../../../core/model/id.ts'
import type { Images } from '../../../ports/runtime/images.ts'
import type { ProcessIdentity, StartRefusal } from '../../../ports/runtime/runtime.ts'
import { inspectContainer, removeContainer } from './container-life.ts'
import type { SecretFiles } from '../../../host/secret-files.ts'
import type { Engine } from '../engine/engine.ts'
import { isNameTaken, isStatus, reasonOf } from '../engine/errors.ts'
import type { OwnContainer } from './own-containers.ts'
import { type Found, parseOwner } from '../engine/parse.ts'
import { type ContainerStart, containerName, imageName, renderCreate } from './render.ts'

export interface CreateTools {
  readonly engine: Engine
  readonly images: Images
  readonly stateId: string
  readonly stateDirectory: string
  /** What `host.docker.internal` is. */
  readonly hostAddress: string
  readonly secretFiles: SecretFiles
  readonly reach: (checkpoint: string) => Promise<void>
}

/** The image may be gone, an older epoch may be in the way, and the image may go once more: no more obstacles than these are cleared. */
const maxAttempts = 4

export async function createContainer(
  tools: CreateTools,
  order: ContainerStart,
): Promise<{ readonly id: string } | { readonly refusal: StartRefusal }> {
  const container = order.runs
  const { project, password } = container
  const { service } = parseSlotId(order.slot)
  const image = imageName(container.image, project, service)
  for (let attempt = 1; ; attempt += 1) {
    try {
      return { id: await createOnce(tools, order, image) }
    } catch (error) {
      if (attempt >= maxAttempts) throw error
      if (isStatus(error, 404) && /image/i.test(reasonOf(error))) {
        // Somebody has removed it since it was brought here.
        await tools.images.ensure({ project, service, container, password }, () => {})
      } else if (isNameTaken(error)) {
        const refusal = await clearName(tools, order)
        if (refusal !== null) return { refusal }
      } else throw error
    }
  }
}

async function createOnce(tools: CreateTools, order: ContainerStart, image: string): Promise<string> {
  const { engine, stateId, stateDirectory, hostAddress } = tools
  const create = renderCreate({
    order,
    stateId,
    stateDirectory,
    hostAddress,
    image,
    logBytes: order.maxLogBytes,
    secretFolder: await makeSecretFolder(tools, order),
    engine: { name: engine.info?.name ?? 'docker', hasInit: engine.info?.hasInit ?? false },
  })
  return await engine.ask('create', (client, signal) => client.createContainer(create, signal), engine.limits.workMs)
}

async function makeSecretFolder({ secretFiles }: CreateTools, order: ContainerStart): Promise<string | null> {
  if (Object.keys(order.secretFiles).length === 0) return null
  const { user } = order.runs
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(user === 'root' ? '0' : (user ?? '')) ?? []
  const owner = uid === undefined ? null : { uid: Number(uid), gid: Number(gid ?? uid) }
  return secretFiles.make(order, order.secretFiles, owner)
}

/** Containers under the slot's labels, whatever their names are now: older epochs are removed. Null when none is left. */
export async function clearOlder(
  { engine, reach }: CreateTools,
  order: ContainerStart,
  others: readonly OwnContainer[],
): Promise<StartRefusal | null> {
  for (const { id, epoch } of others) {
    if (epoch >= order.epoch) return { kind: 'superseded', by: epoch }
    await removeContainer(engine, id, 'may run')
    await reach('container.older-removed')
  }
  return null
}

/** Who has the slot's name: an older epoch of ours is removed, everybody else is left alone. Null when the name is free. */
async function clearName(tools: CreateTools, order: ContainerStart): Promise<StartRefusal | null> {
  const { engine, stateId } = tools
  const found = await inspectContainer(engine, containerName(stateId, order.slot))
  if (found === null) return null
  const owner = parseOwner(found.labels, stateId)
  if (owner === null || owner.slot !== order.slot) return { kind: 'occupied', holders: [describeForeign(found)] }
  return clearOlder(tools, order, [{ id: found.id, ...owner }])
}

export function describeForeign({ pid, name, image }: Found): ProcessIdentity {
  return { pid, command: `container ${name} of image ${image}, which is not of this state` }
}
