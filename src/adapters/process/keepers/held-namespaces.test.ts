import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'

import { until } from '../../../../test/support/runtime-bed.ts'
import { observeProcess } from '../../../system/process-stat.ts'
import { readLink } from '../../../system/read-quietly.ts'
import { HeldNamespaces, maxHeld } from './held-namespaces.ts'

const held = (): number => readdirSync('/proc/self/fd').filter((fd) => readLink(`/proc/self/fd/${fd}`).startsWith('mnt:[')).length

test('all projects of a process hold no more namespaces than the bound, and one that is let go leaves its place to any of them', async (t) => {
  const self = observeProcess(process.pid)
  assert.ok(self !== null)
  const [one, other] = [new HeldNamespaces(), new HeldNamespaces()]
  t.after(() => one.close())
  t.after(() => other.close())
  for (let index = 0; index < maxHeld - 1; index += 1) one.hold(`${index}`, self)
  for (let index = 0; index < 5; index += 1) other.hold(`${index}`, self)
  assert.equal(held(), maxHeld)
  one.release('0')
  await until(() => held() === maxHeld - 1, 'its descriptor is closed')
  await until(() => {
    other.hold('5', self)
    return held() === maxHeld
  }, 'its place is taken')
  one.hold('0', self)
  assert.equal(held(), maxHeld)
})
