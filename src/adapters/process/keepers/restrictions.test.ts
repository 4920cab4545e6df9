import assert from 'node:assert/strict'
import { test } from 'node:test'

import { restrictionsIn } from './restrictions.ts'

test('what no child can win back is read by its names', () => {
  assert.deepEqual(restrictionsIn('NoNewPrivs:\t0\nCapBnd:\t000001ffffffffff\n', 40), {
    noNewPrivileges: false,
    droppedCapabilities: [],
  })
  assert.deepEqual(restrictionsIn('NoNewPrivs:\t1\nCapBnd:\t000000fffefffffe\n', 41), {
    noNewPrivileges: true,
    droppedCapabilities: ['CAP_CHOWN', 'CAP_SYS_RESOURCE', 'CAP_CHECKPOINT_RESTORE', 'CAP_41'],
  })
  assert.deepEqual(restrictionsIn('', 40), { noNewPrivileges: false, droppedCapabilities: [] })
})
