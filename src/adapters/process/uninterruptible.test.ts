/** What cannot be killed, since its disk hangs: its slot stays occupied until the kernel has truly ended it. */

import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'

import { type FrozenDisk, makeDisk } from '../../../test/support/frozen-disk.ts'
import { RuntimeBed, instance, isRunning, kill, needsRoot, processesNaming, until } from '../../../test/support/runtime-bed.ts'
import { commandLine, processFacts } from '../../../test/processes.ts'
import { parseCgroupMounts } from './cgroups/mounts.ts'

/** Leaves session, parent, every cgroup of the instance and the slot's lock; only the namespace still holds it. */
const leave = `for procs in $PROCS; do echo 0 >$procs; done; : >left
  until [ -e go ]; do sleep 0.01; done; echo x >"$DISK/file"; exec sleep 1000`

/** Its instance runs, and the child has gone away from it and hangs. */
async function startHanging(
  t: TestContext,
): Promise<{ readonly bed: RuntimeBed; readonly disk: FrozenDisk; readonly child: number } | null> {
  const disk = makeDisk(t)
  if (disk === null) return null
  const bed = await RuntimeBed.open(t)
  t.after(disk.remove)
  const { unified, controllers } = parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'))
  const procs = [...(unified === null ? [] : [unified]), ...controllers.values()].map((mount) => `${mount}/cgroup.procs`)
  const environment = { PATH: process.env['PATH'] ?? '', LEAVE: leave, PROCS: procs.join(' '), DISK: disk.path, OF: bed.state }
  const command = '(setsid /bin/sh -c "$LEAVE" 9<&- &); exec sleep 1000'
  const { pid } = await bed.run(1, ['/bin/sh', '-c', command], { directory: bed.state, environment })
  await until(() => existsSync(bed.path('left')), 'it has left')
  const [child] = processesNaming(bed.state).filter(
    (each) =>
      each !== pid && commandLine(each)[0] === '/bin/sh' && cgroupsOf(each) !== '' && !cgroupsOf(each).includes(bed.stateId),
  )
  assert.ok(child !== undefined, 'it is in none of our cgroups')
  disk.freeze()
  writeFileSync(bed.path('go'), '')
  await until(() => processFacts(child)?.state === 'D', 'it hangs')
  return { bed, disk, child }
}

test(
  'a child that left the cgroup and the lock, and hangs where nothing can kill it, is not overlapped by a successor',
  { skip: needsRoot },
  async (t) => {
    const hanging = await startHanging(t)
    if (hanging === null) return t.skip('no loop device can be mounted')
    const { bed, disk, child } = hanging
    if (!bed.runtime.guarantees().namespaces) return t.skip('no PID namespaces')
    await assert.rejects(bed.runtime.kill(instance(1), 300), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'E_RUNTIME_UNKILLABLE')
      assert.match(error.message, new RegExp(`\\b${child} \\(`), 'it says who hangs')
      return true
    })
    assert.deepEqual(bed.processes(), [], 'the cgroup is empty')
    assert.equal((await bed.runtime.start(bed.order(2, ['true'])))?.kind, 'occupied')
    assert.deepEqual(
      bed.events.map(({ kind }) => kind),
      ['started'],
    )
    disk.thaw()
    await bed.event('gone', 1)
    assert.ok(!isRunning(child))
    await bed.run(2, ['sleep', '1000'])
  },
)

test(
  'a daemon that finds an empty cgroup while such a child hangs takes the slot for occupied',
  { skip: needsRoot },
  async (t) => {
    const hanging = await startHanging(t)
    if (hanging === null) return t.skip('no loop device can be mounted')
    const { bed, disk, child } = hanging
    if (!bed.runtime.guarantees().namespaces) return t.skip('no PID namespaces')
    await bed.runtime[Symbol.asyncDispose]()
    for (const pid of bed.processes()) kill(pid)
    await until(() => bed.processes().length === 0, 'the cgroup is empty')
    await bed.reopen()
    assert.deepEqual(
      bed.discovery.occupants.map(({ epoch, state }) => ({ epoch, state })),
      [{ epoch: 1, state: 'running' }],
    )
    const refusal = await bed.runtime.start(bed.order(2, ['true']))
    assert.ok(refusal?.kind === 'occupied' && refusal.holders.some(({ pid }) => pid === child), JSON.stringify(refusal))
    disk.thaw()
    await bed.event('gone', 1)
    assert.ok(!isRunning(child))
    await bed.run(2, ['sleep', '1000'])
  },
)

/** Empty when it has ended. */
function cgroupsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8')
  } catch {
    return ''
  }
}
