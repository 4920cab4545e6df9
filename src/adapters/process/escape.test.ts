import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { RuntimeBed, instance, isRunning, needsRoot, processesNaming, until } from '../../../test/support/runtime-bed.ts'
import { parseCgroupMounts } from './cgroups/mounts.ts'

/** Leaves session, parent and every cgroup of the instance: only the namespace still holds it. */
const escape = 'for procs in $PROCS; do echo 0 >$procs; done; : >escaped; exec sleep 1000'

test('a child that moves to other cgroups dies with its instance all the same', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  const { unified, controllers } = parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'))
  const procs = [...(unified === null ? [] : [unified]), ...controllers.values()]
    .map((mount) => `${mount}/cgroup.procs`)
    .join(' ')
  const environment = { PATH: process.env['PATH'] ?? '', ESCAPED_FROM: bed.state, PROCS: procs, ESCAPE: escape }
  const command = '(setsid /bin/sh -c "$ESCAPE" 9<&- &); exec sleep 1000'
  const { pid } = await bed.run(1, ['/bin/sh', '-c', command], { directory: bed.state, environment })
  await until(() => existsSync(bed.path('escaped')), 'it has moved away')
  const isInside = (each: number): boolean => readFileSync(`/proc/${each}/cgroup`, 'utf8').includes(bed.stateId)
  const escaped = processesNaming(bed.state).find((each) => each !== pid && isRunning(each) && !isInside(each))
  assert.ok(escaped !== undefined, 'it is in none of our cgroups')
  await bed.runtime.kill(instance(1), 5000)
  await until(() => !isRunning(escaped), 'the escaped child is dead', 2000)
})

test(
  'an instance that was moved out of its cgroup, its keeper too, can be killed all the same',
  { skip: needsRoot },
  async (t) => {
    const bed = await RuntimeBed.open(t)
    if (!bed.runtime.guarantees().namespaces) return t.skip('no PID namespaces')
    const { unified, controllers } = parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'))
    const { pid } = await bed.run(1, ['sleep', '1000'])
    for (const member of bed.processes())
      for (const mount of [unified, ...controllers.values()])
        if (mount !== null) writeFileSync(`${mount}/cgroup.procs`, `${member}`)
    assert.deepEqual(bed.processes(), [])
    assert.equal((await bed.runtime.start(bed.order(2, ['true'])))?.kind, 'occupied')
    await bed.runtime.kill(instance(1), 10_000)
    assert.ok(!isRunning(pid))
    await bed.event('gone', 1)
  },
)
