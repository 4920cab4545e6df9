import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asEpoch, asServiceName, slotId } from '../model/id.ts'
import { isSameOutside } from './describe.ts'
import { newSlot } from './slot.ts'
import type { Live, Slot } from './slot.ts'

const live = (health: Partial<Live['health']>): Slot => ({
  ...newSlot(slotId(asServiceName('web'), 0), asEpoch(1), goal),
  gate,
  occupancy: {
    kind: 'live',
    epoch: asEpoch(1),
    spec: {} as Live['spec'],
    pid: 1,
    startedAt: '',
    sinceMs: 0,
    health: { isUp: true, isReady: true, provenAtMs: 0, probes: {}, eagerDelayMs: 50, ...health },
  },
})
const goal = { kind: 'stopped', because: '' } as const
const gate = { open: true, because: null }

test('a probe that says the same again is no news outside the slot', () => {
  assert.equal(isSameOutside(live({ provenAtMs: 1 }), live({ provenAtMs: 2 })), true)
})

test('readiness that was lost, an end, and a new goal are news', () => {
  assert.equal(isSameOutside(live({}), live({ isReady: false })), false)
  assert.equal(isSameOutside(live({}), { ...live({}), occupancy: { kind: 'vacant' } }), false)
  assert.equal(isSameOutside(live({}), { ...live({}), goal: { ...goal } }), false)
})
