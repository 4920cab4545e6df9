/** Commands of notices on a simulated machine. */

import assert from 'node:assert/strict'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { test } from 'node:test'

import type { DeliveryAnswer } from '../ports/notices/deliver.ts'
import { SimulatedClock } from '../sim/clock.ts'
import { SimulatedKernel } from '../sim/kernel.ts'
import { SeededRandom } from '../sim/random.ts'
import { createSimulatedRuntime } from '../sim/runtime.ts'
import { NoticeCommands } from './notice-commands.ts'

const delivery = { command: ['./page.sh'], directory: '/srv/shop', user: null, environment: {}, body: '{}\n', timeoutMs: 1000 }

test('the time-out is for the command, not for what its start waits for', async () => {
  const clock = new SimulatedClock()
  const kernel = new SimulatedKernel(clock, new SeededRandom(1))
  kernel.isCalm = true
  // Before each effect of a start, four seconds.
  const runtime = createSimulatedRuntime(kernel, null, () => new Promise((resolve) => clock.after(4000, resolve)))
  const facts = { home: () => '/root', nodeDirectory: '/bin' }
  const commands = new NoticeCommands({ runtime, clock, log: { write: () => {} }, facts })
  const answers: DeliveryAnswer[] = []
  const runUntil = async (isReached: () => boolean): Promise<void> => {
    for (let moment = 0; moment < 1000 && !isReached(); moment += 1) {
      await turnOfTheLoop()
      clock.turn(clock.now() + 100)
    }
    assert.ok(isReached())
  }
  let isListening = false
  void runtime.discover((event) => commands.take(event)).then(() => (isListening = true))
  await runUntil(() => isListening)

  void commands.run(delivery).then((answer) => answers.push(answer))
  await runUntil(() => kernel.running().length === 1)
  for (const instance of kernel.running()) kernel.kill(instance)
  await runUntil(() => answers.length === 1)
  void commands.run(delivery).then((answer) => answers.push(answer))
  await runUntil(() => answers.length === 2)
  assert.deepEqual(answers, [
    { isTaken: false, message: 'ended by SIGKILL' },
    { isTaken: false, message: 'no end within 1 s' },
  ])
  assert.deepEqual(kernel.running(), [])
})
