import assert from 'node:assert/strict'
import { test } from 'node:test'
import { balancerSlot } from '../core/balance/balancer-service.ts'
import { asServiceName, slotId } from '../core/model/id.ts'
import { parseSlotName, slotName } from './slot-files.ts'

test('a slot is found again by the name of its directory, the balancer’s too', () => {
  for (const slot of [slotId(asServiceName('web'), 12), slotId(asServiceName('a-b2'), 0), balancerSlot])
    assert.equal(parseSlotName(slotName(slot)), slot)
  for (const name of ['web', 'web.', '.0', 'web.0.1', '@.0', 'Web.0', 'web.x']) assert.equal(parseSlotName(name), null)
})
