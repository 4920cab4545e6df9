import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { RuntimeBed, instance, isRunning, needsRoot, until, web } from '../../../test/support/runtime-bed.ts'
import type { ProcessRuntimeOptions } from './options.ts'
import { parseCgroupMounts } from './cgroups/mounts.ts'

type Force = NonNullable<ProcessRuntimeOptions['force']>

/** Leaves its process group and session, closes every descriptor, and is nobody's child: the classic daemon. It says its pid. */
const daemonise = `(setsid /bin/sh -c 'exec 0<&- 1>&- 2>&- 9<&-; read -r pid rest </proc/self/stat; exec 3>daemon.pid; echo $pid >&3; exec 3>&-; exec sleep 1000' &)`
const waitForDaemon = 'until [ -s daemon.pid ]; do sleep 0.01; done'

const cgroupWays: readonly Force[] = [
  { killing: 'v2' },
  { killing: 'v2', noNamespaces: true },
  { killing: 'v2-loop' },
  { killing: 'v2-loop', noNamespaces: true },
  { killing: 'v1' },
  { killing: 'v1', noNamespaces: true },
]
const ways: readonly Force[] = [...cgroupWays, { killing: 'process-group' }, { killing: 'process-group', noNamespaces: true }]

for (const force of ways) {
  const skip = needsRoot
  const name = `${force.killing}${force.noNamespaces === true ? ' without namespaces' : ''}`

  test(`${name}: kill leaves no process, not even a daemonised grandchild`, { skip }, async (t) => {
    const { bed, grandchild } = await runWithGrandchild(t, force, 'sleep 1000')
    assert.equal(bed.runtime.guarantees().killing, force.killing)
    await bed.runtime.kill(instance(1), 5000)
    assert.equal(isRunning(grandchild), false)
    assert.deepEqual(bed.events.slice(1), [{ kind: 'gone', slot: web, epoch: 1, exit: { kind: 'signal', signal: 'SIGKILL' } }])
    assert.deepEqual(bed.processes(), [])
  })

  test(`${name}: when the command ends, no child of it stays behind`, { skip }, async (t) => {
    const { bed, grandchild } = await runWithGrandchild(t, force, 'until [ -e go ]; do sleep 0.01; done; exit 3')
    writeFileSync(join(bed.state, 'go'), '')
    assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'code', code: 3 })
    assert.equal(isRunning(grandchild), false)
    assert.deepEqual(bed.processes(), [])
  })

  test(`${name}: a signal reaches the command and only the command`, { skip }, async (t) => {
    const { bed, grandchild } = await runWithGrandchild(
      t,
      force,
      `trap 'echo got TERM' TERM; touch ready; while :; do sleep 0.01; done`,
    )
    await until(() => existsSync(join(bed.state, 'ready')), 'the trap is set')
    await bed.runtime.signal(instance(1), 'SIGTERM')
    await until(() => bed.logText().includes('got TERM'), 'the command got the signal')
    assert.equal(isRunning(grandchild), true)
    await bed.runtime.signal(instance(1), 'SIGKILL')
    assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'signal', signal: 'SIGKILL' })
    assert.equal(isRunning(grandchild), false)
  })

  test(`${name}: a start is refused while the slot's earlier epoch lives, and naming who lives there`, { skip }, async (t) => {
    const bed = await RuntimeBed.open(t, { force })
    const first = await bed.run(1, ['sleep', '1000'])
    const refusal = await bed.runtime.start(bed.order(2, ['sleep', '1000']))
    assert.equal(refusal?.kind, 'occupied')
    assert.ok(refusal?.kind === 'occupied' && refusal.holders.some(({ pid }) => pid === first.pid), JSON.stringify(refusal))
    assert.equal(bed.events.length, 1)
  })

  test(`${name}: another daemon adopts what runs and reports its end`, { skip }, async (t) => {
    const bed = await RuntimeBed.open(t, { force })
    const started = await bed.run(1, ['sleep', '1000'])
    await bed.reopen({ force })
    const { pid, startTicks, startedAt } = started
    const ageMs = bed.discovery.occupants[0]?.ageMs
    assert.ok(ageMs !== undefined && ageMs >= 0 && ageMs < 60_000, `it is ${ageMs} ms old`)
    const found = { pid, startTicks, startedAt, exit: null, note: '{"epoch":1}', ageMs, isOfThisBoot: true }
    assert.deepEqual(bed.discovery, {
      occupants: [{ ...instance(1), state: 'running', ...found }],
      endedBefore: [],
      lastEpochs: new Map([[web, 1]]),
      committed: new Map([[web, 1]]),
    })
    await bed.runtime.signal(instance(1), 'SIGTERM')
    assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'signal', signal: 'SIGTERM' })
    await bed.run(2, ['sleep', '1000'])
    await bed.runtime.kill(instance(2), 5000)
  })
}

for (const force of cgroupWays) {
  test(
    `${force.killing}${force.noNamespaces === true ? ' without namespaces' : ''}: a stopped instance is killed too`,
    { skip: needsRoot },
    async (t) => {
      const bed = await RuntimeBed.open(t, { force })
      const { pid } = await bed.run(1, ['sleep', '1000'])
      process.kill(pid, 'SIGSTOP')
      await bed.runtime.kill(instance(1), 5000)
      assert.equal(isRunning(pid), false)
    },
  )
}

test('a cgroup that a killed daemon left frozen is thawed by the next one', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  const { pid } = await bed.run(1, ['/bin/sh', '-c', 'while :; do echo alive; sleep 0.01; done'])
  const cgroup = readFileSync(`/proc/${pid}/cgroup`, 'utf8').match(/^0::(.*)$/m)?.[1] ?? ''
  const mount = parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8')).unified ?? ''
  writeFileSync(join(mount, cgroup, 'cgroup.freeze'), '1')
  await until(() => readFileSync(join(mount, cgroup, 'cgroup.events'), 'utf8').includes('frozen 1'), 'frozen')
  const before = bed.logText().length
  await bed.reopen()
  await until(() => bed.logText().length > before, 'it goes on')
})

test('killing what is gone, or never was, does nothing', async (t) => {
  const bed = await RuntimeBed.open(t)
  await bed.runtime.kill(instance(7), 1000)
  await bed.runtime.signal(instance(7), 'SIGTERM')
  await bed.run(8, ['true'])
  await bed.event('gone', 8)
  await bed.runtime.kill(instance(8), 1000)
  assert.deepEqual(
    bed.events.map((event) => event.kind),
    ['started', 'gone'],
  )
})

async function runWithGrandchild(
  t: TestContext,
  force: Force,
  then: string,
): Promise<{ readonly bed: RuntimeBed; readonly grandchild: number }> {
  const bed = await RuntimeBed.open(t, { force })
  await bed.run(1, ['/bin/sh', '-c', `${daemonise}; ${waitForDaemon}; touch spawned; ${then}`], { directory: bed.state })
  await until(() => existsSync(join(bed.state, 'spawned')), 'the grandchild was spawned')
  return { bed, grandchild: hostPid(bed, Number(readFileSync(join(bed.state, 'daemon.pid'), 'utf8')), force) }
}

/** The grandchild knows its number in its own namespace; the host's is the one that has it innermost. */
function hostPid(bed: RuntimeBed, inner: number, force: Force): number {
  if (force.noNamespaces === true) return inner
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const status = readFileSync(`/proc/${name}/status`, 'utf8')
      const numbers = /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? []
      // Others on this machine have namespaces too, and the same small numbers in them.
      const isOurs = readlinkSync(`/proc/${name}/cwd`) === bed.state
      if (isOurs && numbers.length === 2 && Number(numbers[1]) === inner) return Number(name)
    } catch {
      continue
    }
  }
  throw new Error(`no process with the inner number ${inner}`)
}
