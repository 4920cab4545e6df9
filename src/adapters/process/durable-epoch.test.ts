/** "Write first" against the real kernel: the disk is slow, or fails, and nothing begins. */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

import { asServiceName, slotId, type SlotId } from '../../core/model/id.ts'
import { holdSync } from '../../../test/support/held-syncs.ts'

const { RuntimeBed } = await import('../../../test/support/runtime-bed.ts')

const other = slotId(asServiceName('other'), 0)
const slot = (index: number): SlotId => slotId(asServiceName('web'), index)

const cases: readonly { readonly what: string; readonly index: number; readonly epoch: number; readonly path: string }[] = [
  { what: "the slot's first epoch", index: 0, epoch: 1, path: 'slots/web.0/epoch' },
  { what: 'a later one', index: 0, epoch: 2, path: 'slots/web.0/epoch' },
  { what: "the new slot's own folder", index: 1, epoch: 1, path: 'slots/web.1' },
  { what: 'the folder of all slots, which has a new one', index: 2, epoch: 1, path: 'slots' },
]

test('nothing begins before its epoch is durable, and neither is a start answered', async (t) => {
  const bed = await RuntimeBed.open(t)
  let others = 0
  /** Whoever began to start after the held one runs and has ended: by then it would run too. */
  const letOthersPass = async (): Promise<void> => {
    others += 1
    await bed.run(others, ['true'], { slot: other })
    await bed.event('gone', others, other)
  }
  await letOthersPass()
  for (const { what, index, epoch, path } of cases) {
    const mark = bed.path(`ran-${index}-${epoch}`)
    const holding = holdSync(bed.path(path))
    let isAnswered = false
    const starting = bed.runtime.start(bed.order(epoch, ['touch', mark], { slot: slot(index) })).finally(() => {
      isAnswered = true
    })
    const sync = await holding
    await letOthersPass()
    assert.deepEqual(
      { isAnswered, started: recordOf(bed, index, epoch), ran: existsSync(mark) },
      { isAnswered: false, started: '', ran: false },
      what,
    )
    sync.letGo()
    assert.equal(await starting, null)
    await bed.event('gone', epoch, slot(index))
    assert.ok(existsSync(mark))
  }
})

/** What the keeper has written down. It may hold the slot's lock by now, and runs nothing. */
const recordOf = (bed: { path(...names: readonly string[]): string }, index: number, epoch: number): string =>
  readFileSync(bed.path('slots', `web.${index}`, `${epoch}`, 'started'), 'utf8')
    .slice(0, 300)
    .trim()

test('an epoch that cannot be made durable begins nothing, and the next one is free to', async (t) => {
  const bed = await RuntimeBed.open(t)
  const mark = bed.path('ran')
  const holding = holdSync(bed.path('slots', 'web.0', 'epoch'))
  const starting = bed.runtime.start(bed.order(1, ['touch', mark]))
  const sync = await holding
  sync.letGo(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }))
  const refusal = await starting
  assert.equal(refusal?.kind, 'failed')
  assert.match(refusal.message, /EIO/)
  await bed.run(2, ['true'])
  await bed.event('gone', 2)
  assert.ok(!existsSync(mark))
})
