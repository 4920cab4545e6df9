import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { observeProcess } from '../../system/process-stat.ts'
import { isRunning, kill } from '../../../test/support/runtime-bed.ts'
import type { Cgroup } from './cgroups/cgroup.ts'
import { sendFrozen } from './signal.ts'

interface Target {
  readonly pid: number
  readonly startTicks: number
  readonly exit: Promise<unknown>
}

async function startTarget(t: TestContext): Promise<Target> {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' })
  const pid = child.pid ?? assert.fail('sleep was not started')
  t.after(() => kill(pid))
  return { pid, startTicks: observeProcess(pid)?.startTicks ?? assert.fail('it is there'), exit: once(child, 'exit') }
}

/** A cgroup of one process that writes down what is done to it, in order. */
function cgroupOf(pid: number, calls: string[], isFrozen: () => boolean = () => true): Cgroup {
  return {
    joinFiles: [],
    eventsFile: null,
    members() {
      calls.push('members')
      return [pid]
    },
    isPopulated: () => isRunning(pid),
    killAll: () => assert.fail('nothing is killed'),
    seal: () => assert.fail('nothing is closed'),
    freezer: {
      freeze: () => void calls.push('freeze'),
      isFrozen,
      thaw: () => void calls.push(isRunning(pid) ? 'thaw' : 'thaw after its end'),
    },
  }
}

const alone = { keeper: null, to: 'leader' } as const

test('members are looked at and the signal is sent while nothing can end, and then all go on', async (t) => {
  const { pid, startTicks, exit } = await startTarget(t)
  const calls: string[] = []
  await sendFrozen({ cgroup: cgroupOf(pid, calls), target: { pid, startTicks }, ...alone, signal: 'SIGTERM' })
  await exit
  assert.deepEqual(calls.slice(0, 2), ['freeze', 'members'])
  assert.match(calls.at(-1) ?? '', /^thaw/)
})

test('a freezer that has missed somebody is let go and asked again', async (t) => {
  const { pid, startTicks, exit } = await startTarget(t)
  const calls: string[] = []
  const isFrozen = (): boolean => calls.filter((word) => word === 'freeze').length > 1
  await sendFrozen({ cgroup: cgroupOf(pid, calls, isFrozen), target: { pid, startTicks }, ...alone, signal: 'SIGTERM' })
  assert.deepEqual(await exit, [null, 'SIGTERM'])
  assert.deepEqual(calls.slice(0, 4), ['freeze', 'thaw', 'freeze', 'members'])
})

test('what cannot be frozen gets no signal, and is let go', async (t) => {
  const { pid, startTicks, exit } = await startTarget(t)
  const calls: string[] = []
  const send = sendFrozen({
    cgroup: cgroupOf(pid, calls, () => false),
    target: { pid, startTicks },
    ...alone,
    signal: 'SIGKILL',
  })
  await assert.rejects(send, { code: 'E_RUNTIME_UNFREEZABLE' })
  assert.equal(calls.at(-1), 'thaw')
  kill(pid, 'SIGTERM')
  assert.deepEqual(await exit, [null, 'SIGTERM'])
})

test('a process of the same epoch that was given the recorded number later gets no signal', async (t) => {
  const { pid, startTicks, exit } = await startTarget(t)
  const calls: string[] = []
  await sendFrozen({
    cgroup: cgroupOf(pid, calls),
    target: { pid, startTicks: startTicks - 1 },
    ...alone,
    signal: 'SIGKILL',
  })
  // Had the other one been sent, it would have been the first to arrive.
  kill(pid, 'SIGTERM')
  assert.deepEqual(await exit, [null, 'SIGTERM'])
  assert.deepEqual(calls.slice(0, 2), ['freeze', 'members'])
})
