import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'

import { KeeperLane } from './keeper-lane.ts'

test('a new keeper is waited for while the kernel cannot be asked whether it is there', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [keeper] = await once(server, 'connection')
  t.after(() => keeper.destroy())
  const lane = new KeeperLane({ socket, isOnce: false, onFree: () => {} })
  t.after(() => lane.spoil())
  lane.reserve()
  let questions = 0
  const isThere = (): boolean => {
    questions += 1
    if (questions === 3) keeper.write('4711\n')
    throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
  }
  keeper.write('made\n')
  const identity = await lane.greet({ greeting: 'hello\n', made: 'made', isThere, limitMs: 600_000 })
  assert.deepEqual(identity, { pid: 4711, startTicks: 0 })
})
