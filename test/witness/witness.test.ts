import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { startWitness } from './index.ts'

const fixtures = join(import.meta.dirname, '../fixtures')

const reporter = ['node', join(fixtures, 'reporter.mjs')]

function startCopy(
  t: TestContext,
  port: number,
  slot: string,
  epoch: number,
  command: readonly string[] = reporter,
): ChildProcess {
  const [program = '', ...words] = command
  const copy = spawn(program, words, {
    env: { PATH: process.env['PATH'], WITNESS_PORT: String(port), DARUMA_SLOT: slot, DARUMA_EPOCH: String(epoch) },
    stdio: 'ignore',
  })
  t.after(() => copy.kill('SIGKILL'))
  return copy
}

test('a successor that arrives right after its predecessor was killed is no violation', async (t) => {
  await using witness = await startWitness()
  for (const epoch of [1, 2, 3]) {
    const copy = startCopy(t, witness.port, 'web/0', epoch)
    const live = await witness.waitFor(
      `epoch ${epoch}`,
      (all) => all.some((one) => one.epoch === epoch && one.seenBy === 'connection'),
      5000,
    )
    assert.equal(live.find((one) => one.epoch === epoch)?.process?.pid, copy.pid)
    copy.kill('SIGKILL')
    await once(copy, 'exit')
  }
  assert.deepEqual(await witness.violations(), [])
})

test('a second copy beside a stopped first one is reported', async (t) => {
  await using witness = await startWitness()
  const first = startCopy(t, witness.port, 'web/0', 1)
  await witness.waitFor('the first', (all) => all.some(({ seenBy }) => seenBy === 'connection'), 5000)
  first.kill('SIGSTOP')
  startCopy(t, witness.port, 'web/0', 2)
  await witness.waitFor('both', (all) => all.filter(({ seenBy }) => seenBy === 'connection').length === 2, 5000)
  const violations = await witness.violations()
  assert.equal(violations[0]?.rule, 'never-two')
})

test('an epoch that was used before is reported', async (t) => {
  await using witness = await startWitness()
  for (const epoch of [5, 5]) {
    const copy = startCopy(t, witness.port, 'web/0', epoch)
    await witness.waitFor('arrived', (all) => all.some(({ seenBy }) => seenBy === 'connection'), 5000)
    copy.kill('SIGKILL')
    await once(copy, 'exit')
    await witness.waitFor('left', (all) => all.length === 0, 5000)
  }
  assert.deepEqual(
    (await witness.violations()).map(({ rule }) => rule),
    ['epochs-grow'],
  )
})

test('a program that knows nothing of the witness is seen by its environment', async (t) => {
  await using witness = await startWitness()
  startCopy(t, witness.port, 'db/0', 7, ['tail', '-f', '/dev/null'])
  const live = await witness.waitFor('the silent one', (all) => all.some(({ slot }) => slot === 'db/0'), 5000)
  assert.deepEqual(
    live.map(({ slot, epoch, seenBy }) => ({ slot, epoch, seenBy })),
    [{ slot: 'db/0', epoch: 7, seenBy: 'sweep' }],
  )
})
