/** Who is in a slot: containers under its labels or its name, as the engine tells, and a first process that only the kernel tells of. */

import type { SlotId } from '../../core/model/id.ts'
import type { SlotPaths } from '../../host/slot-files.ts'
import type { ProcessIdentity } from '../../ports/runtime/runtime.ts'
import { inspectContainer } from './container/container-life.ts'
import { describeForeign } from './container/create-container.ts'
import type { Engine } from './engine/engine.ts'
import { listOwnContainers } from './container/own-containers.ts'
import { parseOwner } from './engine/parse.ts'
import { containerName } from './container/render.ts'
import { findLivingWitness } from './container/witness.ts'

/** Never rejects: an engine that does not answer names nobody. `isLive`: we know of something there. */
export async function observeHolders(
  engine: Engine,
  where: { readonly stateId: string; readonly slot: SlotId; readonly paths: SlotPaths; readonly isLive: boolean },
): Promise<readonly ProcessIdentity[]> {
  const { stateId, slot, paths, isLive } = where
  const own = await listOwnContainers(engine, stateId, { slot }).catch(() => [])
  const names = [containerName(stateId, slot), ...own.map(({ id }) => id)]
  const found = await Promise.all(names.map((name) => inspectContainer(engine, name).catch(() => null)))
  const unique = new Map(found.flatMap((container) => (container === null ? [] : [[container.id, container]])))
  const holders = [...unique.values()].map((container) => {
    const owner = parseOwner(container.labels, stateId)
    if (owner?.slot !== slot) return describeForeign(container)
    return { pid: container.pid, command: `container ${container.name} of epoch ${owner.epoch}` }
  })
  const witness = findLivingWitness(paths)
  if (witness !== null && !holders.some(({ pid }) => pid === witness.pid))
    holders.push({ pid: witness.pid, command: 'the first process of a container that the engine does not report now' })
  if (holders.length === 0 && isLive) holders.push({ pid: 0, command: 'a container that the engine does not report now' })
  return holders
}
