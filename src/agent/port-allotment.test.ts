import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { asServiceName, slotId, type SlotId } from '../core/model/id.ts'
import type { Net } from '../ports/net.ts'
import { autoPorts, PortAllotment } from './port-allotment.ts'

const slot = (index: number): SlotId => slotId(asServiceName('web'), index)
const rangeSize = autoPorts.last - autoPorts.first + 1

/** Everything is free but what `taken` names; counts what it is asked. */
function countingNet(taken: ReadonlySet<number> = new Set()): { readonly net: Net; readonly asked: number[] } {
  const asked: number[] = []
  const net: Net = {
    probe: () => assert.fail('nothing is probed'),
    isPortFree: async (port) => {
      asked.push(port)
      return !taken.has(port)
    },
    holderOf: () => 'somebody',
  }
  return { net, asked }
}

async function acquireAll(allotment: PortAllotment, count: number): Promise<readonly (number | null)[]> {
  const answers = await Promise.all(Array.from({ length: count }, (_, index) => allotment.acquire(slot(index), { kind: 'auto' })))
  return answers.map((answer) => (answer.kind === 'port' ? answer.port : assert.fail(answer.message)))
}

describe('Automatic ports', () => {
  test('are different ones, found with one question each, however many there are', async () => {
    const { net, asked } = countingNet()
    const allotment = new PortAllotment(net, 9990)
    const ports = await acquireAll(allotment, 3000)
    assert.equal(new Set(ports).size, 3000)
    assert.equal(asked.length, 3000)
    assert.ok(ports.every((port) => port !== null && port >= autoPorts.first && port <= autoPorts.last))
  })

  test('stay with their slot as long as they are free, and pass over those that somebody has', async () => {
    const taken = new Set([autoPorts.first + 1])
    const { net } = countingNet(taken)
    const allotment = new PortAllotment(net, 0)
    assert.deepEqual(await acquireAll(allotment, 2), [autoPorts.first, autoPorts.first + 2])
    assert.deepEqual(await acquireAll(allotment, 2), [autoPorts.first, autoPorts.first + 2])
    taken.add(autoPorts.first)
    assert.deepEqual(await allotment.acquire(slot(0), { kind: 'auto' }), { kind: 'port', port: autoPorts.first + 3 })
  })

  test('of a slot that is forgotten are given out again: the range does not run out by what was there once', async () => {
    const { net } = countingNet()
    const allotment = new PortAllotment(net, 123)
    const ports = await acquireAll(allotment, rangeSize)
    const late = slot(rangeSize)
    assert.equal((await allotment.acquire(late, { kind: 'auto' })).kind, 'taken')
    allotment.remember(slot(77), null)
    assert.deepEqual(await allotment.acquire(late, { kind: 'auto' }), { kind: 'port', port: ports[77] })
    assert.equal(allotment.portOf(slot(77)), null)
  })

  test('are none that a slot has by its config, until the last of those has let go', async () => {
    const { net } = countingNet()
    const allotment = new PortAllotment(net, 0)
    for (const index of [1, 2]) await allotment.acquire(slot(index), { kind: 'fixed', port: autoPorts.first })
    allotment.remember(slot(1), null)
    assert.deepEqual(await allotment.acquire(slot(3), { kind: 'auto' }), { kind: 'port', port: autoPorts.first + 1 })
    allotment.remember(slot(2), null)
    for (let index = 10; index < 10 + rangeSize - 2; index += 1) await allotment.acquire(slot(index), { kind: 'auto' })
    assert.deepEqual(await allotment.acquire(slot(4), { kind: 'auto' }), { kind: 'port', port: autoPorts.first })
  })
})
