/**
 * This state's containers, found by their labels. A name is only a lock: an administrator may rename a container by hand, and it remains
 * ours. The listing alone says whose each one is, so that one whose `inspect` fails is still known to be there.
 */

import type { Epoch, SlotId } from '../../../core/model/id.ts'
import type { Engine } from '../engine/engine.ts'
import type { ListedContainer } from '../engine/engine-api.ts'
import { labels, type Owned, parseOwner } from '../engine/parse.ts'

export interface OwnContainer extends Owned {
  readonly id: string
}

/** In whatever condition. Rejects when the engine does not answer or refuses: then it is unknown what there is. */
export async function listOwnContainers(
  engine: Engine,
  stateId: string,
  of: { readonly slot?: SlotId; readonly epoch?: Epoch } = {},
): Promise<readonly OwnContainer[]> {
  const listed = await askForList(engine, stateId, of)
  return listed.flatMap(({ Id, Labels }) => {
    const owner = parseOwner(Labels ?? {}, stateId)
    return owner === null ? [] : [{ id: Id, ...owner }]
  })
}

export function askForList(
  engine: Engine,
  stateId: string,
  { slot, epoch }: { readonly slot?: SlotId; readonly epoch?: Epoch } = {},
): Promise<readonly ListedContainer[]> {
  const wanted = [[labels.state, stateId] as const, ...pair(labels.slot, slot), ...pair(labels.epoch, epoch)]
  const filters = { label: wanted.map(([name, value]) => `${name}=${value}`) }
  return engine.ask('list', (client, signal) => client.listContainers(filters, { signal }), engine.limits.askMs)
}

const pair = <Value>(name: string, value: Value | undefined): readonly (readonly [string, Value])[] =>
  value === undefined ? [] : [[name, value]]
