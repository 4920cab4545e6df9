import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeMutations } from './mutations/judge.ts'
import { mutations } from './mutations/table.ts'

const skip = process.getuid?.() === 0 ? false : 'needs root: the rules about cgroups and namespaces are broken, too'

test('each rule of "never twice", broken on purpose, is noticed by the test that is named for it', { skip }, async () => {
  const missed: string[] = []
  let judged = 0
  await judgeMutations([], ({ mutation, complaint }) => {
    judged += 1
    if (complaint !== null) missed.push(`${mutation.name}: ${complaint}`)
  })
  assert.deepEqual(missed, [])
  assert.equal(judged, mutations.length)
})
