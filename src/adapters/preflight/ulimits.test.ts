import assert from 'node:assert/strict'
import { test } from 'node:test'

import { explainUlimits } from './ulimits.ts'

const limits = `Limit                     Soft Limit           Hard Limit           Units
Max open files            1000                 20000                files
Max locked memory         unlimited            unlimited            bytes
`
const both = (value: number): { readonly soft: number; readonly hard: number } => ({ soft: value, hard: value })

test('a limit that this daemon cannot give is an obstacle; with the right to raise it, only what the kernel has for nobody', () => {
  const wanted = { nofile: both(50_000), memlock: both(-1) }
  assert.deepEqual(explainUlimits(wanted, { limits, mayRaise: false, mostOpenFiles: 1_048_576 }), [
    "the limit nofile cannot be 50000: the daemon's own is 20000, and only root (CAP_SYS_RESOURCE) raises it",
  ])
  assert.deepEqual(explainUlimits(wanted, { limits, mayRaise: true, mostOpenFiles: 1_048_576 }), [])
  assert.deepEqual(explainUlimits({ nofile: both(-1) }, { limits, mayRaise: true, mostOpenFiles: 1_048_576 }), [
    'the limit nofile cannot be unlimited: the kernel allows 1048576 (sysctl fs.nr_open)',
  ])
  assert.deepEqual(explainUlimits({ nofile: both(20_000) }, { limits, mayRaise: false, mostOpenFiles: null }), [])
})
