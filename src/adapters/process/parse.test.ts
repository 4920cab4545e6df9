/** The pure parts: what the kernel's texts mean, and what limits become. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseProcessStat } from '../../system/process-stat.ts'
import { explainExitCode } from '../../system/exit-code.ts'
import { splitEnvironment } from './launch.ts'
import { renderLimits } from './cgroups/limits.ts'
import { parseCgroupMounts } from './cgroups/mounts.ts'
import { parseSlotName } from '../../host/slot-files.ts'

test('mounts of a hybrid and of a pure host are told apart, with spaces in their paths', () => {
  const hybrid = [
    '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
    '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct',
    '35 31 0:32 / /sys/fs/cgroup/me\\040mory rw,relatime - cgroup cgroup rw,memory',
    '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
    '',
  ].join('\n')
  const { unified, controllers } = parseCgroupMounts(hybrid)
  assert.equal(unified, '/sys/fs/cgroup/unified')
  assert.equal(controllers.get('cpu'), '/sys/fs/cgroup/cpu,cpuacct')
  assert.equal(controllers.get('memory'), '/sys/fs/cgroup/me mory')
  const pure = parseCgroupMounts('30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n')
  assert.deepEqual(pure, { unified: '/sys/fs/cgroup', controllers: new Map() })
  assert.deepEqual(parseCgroupMounts(''), { unified: null, controllers: new Map() })
})

test('limits become the files of either version, in the order in which the kernel wants them', () => {
  const limits = { cpuCores: 1.5, memoryBytes: 1_048_576, pids: 10 }
  const lines = (version: 1 | 2): string[] =>
    renderLimits(limits, version).flatMap(({ controller, files }) =>
      files.map(({ name, value, optional }) => `${controller} ${name} ${value}${optional ? ' ?' : ''}`),
    )
  assert.deepEqual(lines(2), [
    'cpu cpu.max 150000 100000',
    'memory memory.max 1048576',
    'memory memory.swap.max 0 ?',
    'pids pids.max 12',
  ])
  assert.deepEqual(lines(1), [
    'cpu cpu.cfs_period_us 100000',
    'cpu cpu.cfs_quota_us 150000',
    'memory memory.limit_in_bytes 1048576',
    'memory memory.memsw.limit_in_bytes 1048576 ?',
    'pids pids.max 11',
  ])
  assert.deepEqual(renderLimits({ cpuCores: null, memoryBytes: null, pids: null }, 1), [])
  assert.equal(renderLimits({ cpuCores: 0.0001, memoryBytes: null, pids: null }, 2)[0]?.files[0]?.value, '1000 100000')
})

test('a process whose name imitates the format is still read right', () => {
  const fields = Array.from({ length: 20 }, (_, index) => `${index + 4}`)
  const stat = parseProcessStat(`42 (a) R 1 (b)) S ${fields.join(' ')}`)
  assert.deepEqual(stat, { pid: 42, state: 'S', parent: 4, processGroup: 5, startTicks: 22, cpuTicks: 29 })
  assert.equal(parseProcessStat(''), null)
  assert.equal(parseProcessStat('42 (sh) S 1 2'), null)
})

test('only codes that a signal can make are told as signals', () => {
  const told = (code: number): string => JSON.stringify(Object.values(explainExitCode(code)))
  assert.deepEqual([0, 1, 127, 128, 130, 134, 137, 143, 200, 255].map(told), [
    '["code",0]',
    '["code",1]',
    '["code",127]',
    '["code",128]',
    '["signal","SIGINT"]',
    '["signal","SIGABRT"]',
    '["signal","SIGKILL"]',
    '["signal","SIGTERM"]',
    '["code",200]',
    '["code",255]',
  ])
})

test('only what steers the loader leaves the environment', () => {
  const environment = { LD_PRELOAD: 'a', LDFLAGS: 'b', MALLOC_ARENA_MAX: '2', PATH: 'c', GLIBC_TUNABLES: 'd' }
  assert.deepEqual(splitEnvironment(environment), {
    plain: { LDFLAGS: 'b', PATH: 'c' },
    loader: ['LD_PRELOAD=a', 'MALLOC_ARENA_MAX=2', 'GLIBC_TUNABLES=d'],
  })
})

test('a directory that is no slot is not taken for one', () => {
  assert.deepEqual(['web.0', 'a-b.12', 'web', 'Web.0', '.0', 'web.x', 'web.0.old', 'lost+found'].map(parseSlotName), [
    'web/0',
    'a-b/12',
    null,
    null,
    null,
    null,
    null,
    null,
  ])
})
