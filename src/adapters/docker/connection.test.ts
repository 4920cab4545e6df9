import assert from 'node:assert/strict'
import { test } from 'node:test'

import { connectEngine } from './connection.ts'

test('a retry that pulls an image for minutes keeps no other start of its project, nor any other project, from trying again', async () => {
  using connection = connectEngine({ environment: {}, log: { write: () => {} }, onEngine: () => {} })
  const begun: string[] = []
  const hang = (name: string) => (): Promise<void> => {
    begun.push(name)
    return new Promise(() => {})
  }
  const names = ['a0', 'a1', 'a2', 'b0', 'c0']
  for (const name of names) void connection.starts.lane(name[0] ?? '').run(true, hang(name))
  for (let turn = 0; turn < 8; turn += 1) await Promise.resolve()
  assert.deepEqual(begun.toSorted(), names)
})
