/** "Write first" for containers: while the disk takes its time with the epoch, the engine is asked for nothing. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { asServiceName, slotId } from '../../core/model/id.ts'
import { holdSync } from '../../../test/support/held-syncs.ts'

const { ContainerBed, web } = await import('../../../test/engine/container-bed.ts')
const { onDocker } = await import('../../../test/engine/engine-kind.ts')

const other = slotId(asServiceName('other'), 0)

test('no container is made before its epoch is durable', { skip: onDocker.skip }, async (t) => {
  const engine = await onDocker.start()
  t.after(() => engine[Symbol.asyncDispose]())
  const bed = await ContainerBed.open(t, engine)
  for (const epoch of [1, 2]) {
    const holding = holdSync(`${bed.state}/slots/web.0/epoch`)
    const starting = bed.runtime.start(bed.order(epoch, ['true']))
    const sync = await holding
    // Whoever began to start after it has run and ended.
    await bed.run(epoch, ['true'], { slot: other })
    await bed.event('gone', epoch, other)
    const ofIt = bed.events.filter(({ slot, epoch: of }) => slot === web && of === epoch)
    assert.deepEqual({ containers: bed.list(), events: ofIt }, { containers: [], events: [] })
    sync.letGo()
    assert.equal(await starting, null)
    await bed.event('gone', epoch)
  }
})
