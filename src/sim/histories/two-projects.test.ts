import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSharedHistory } from './two-projects.ts'

test('two projects of one machine, whatever befalls either or both: never twice, always back up, and nothing of one in the other', async () => {
  for (let seed = 1; seed <= 6; seed += 1) assert.deepEqual(await runSharedHistory(seed), [], `seed ${seed}`)
})
