/** A child that is OOM-killed while its parent lives on: told by an event and in status, once, for processes and containers. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Machine } from './daemon-harness.ts'
import { LabEngine, needsEngine } from './engine/lab-engine.ts'
import { until } from './processes.ts'

/** A child that wants more than there is, under a parent that does not care and goes on. */
const greedy = (shell: string): readonly string[] => [
  shell,
  '-c',
  `(while :; do a="${'x'.repeat(1000)}$a$a"; done) 2>/dev/null; echo "the child has ended"; while :; do sleep 1; done`,
]

async function isTold(machine: Machine, service: Readonly<Record<string, unknown>>): Promise<void> {
  await machine.up({ greedy: { ...service, memory: '32MiB', singleton: true, port: false } })
  const before = await machine.instance('greedy/0')
  const reason = /^a process of it was killed: out of memory; the rest keeps running$/
  await machine.waitFor('status says so', (status) => reason.test(status.instances[0]?.reason ?? ''), 60_000)
  const told = async (): Promise<readonly string[]> =>
    (await machine.events()).filter(({ kind }) => kind === 'memory-killed').map(({ message }) => message)
  await until('it is told', 60_000, async () => (await told()).length > 0, 100)
  assert.equal((await told()).length, 1)
  const now = await machine.instance('greedy/0')
  assert.deepEqual([now.state, now.pid, now.epoch], ['running', before.pid, before.epoch])
  assert.match((await machine.run(['status'])).stdout, /out of memory; the rest keeps running/)
  // The next daemon finds it in the kernel, and does not tell it again.
  await machine.kill('daemon')
  await machine.waitFor('the next daemon says so too', (status) => reason.test(status.instances[0]?.reason ?? ''), 60_000)
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal((await told()).length, 1)
}

describe('A child that is killed for want of memory', () => {
  const skip = process.geteuid?.() === 0 ? false : 'needs root'
  test('is told of an instance that is a process', { skip }, async () => {
    await using machine = new Machine()
    await isTold(machine, { command: greedy('/bin/sh') })
  })

  describe('of a container', { skip: needsEngine }, () => {
    let engine!: LabEngine
    before(async () => {
      engine = await LabEngine.start()
    })
    after(async () => {
      await engine?.[Symbol.asyncDispose]()
    })
    test('is told too', async () => {
      await using machine = new Machine({ environment: engine.environment })
      await isTold(machine, { image: 'bb:1', command: greedy('sh') })
      await machine.run(['down', '--yes'])
    })
  })
})
