/**
 * A container as the kernel sees it. Asking the engine for its figures takes a second and a half each; the cgroup has them at once. And
 * the kernel is the last witness: whatever the engine says of a container, a process in its cgroup is a process that runs.
 */

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import type { Usage } from '../../../ports/runtime/runtime.ts'

/** By controller (`''` for version 2): the path below that hierarchy's mount. */
export type CgroupPaths = ReadonlyMap<string, string>

export function observeCgroups(pid: number): CgroupPaths {
  const paths = new Map<string, string>()
  for (const line of read(`/proc/${pid}/cgroup`).split('\n')) {
    const [, controllers, ...path] = line.split(':')
    if (controllers === undefined) continue
    for (const controller of controllers.split(',')) paths.set(controller, path.join(':'))
  }
  return paths
}

const mount = '/sys/fs/cgroup'

/** Null when the container is gone. */
export function observeUsage(paths: CgroupPaths): Usage | null {
  const unified = paths.get('') ?? ''
  const nanoseconds = Number.parseInt(readOne(paths, 'cpuacct', 'cpuacct.usage'), 10)
  const microseconds = Number(/^usage_usec (\d+)/m.exec(read(join(mount, unified, 'cpu.stat')))?.[1] ?? Number.NaN)
  const cpuSeconds = Number.isNaN(nanoseconds) ? microseconds / 1e6 : nanoseconds / 1e9
  const statistics = readOne(paths, 'memory', 'memory.stat')
  // What the kernel can drop at any moment is not what the program uses.
  const cache = Number(
    /^(?:total_)?inactive_file (\d+)/m.exec(statistics === '' ? read(join(mount, unified, 'memory.stat')) : statistics)?.[1] ?? 0,
  )
  const used = readOne(paths, 'memory', 'memory.usage_in_bytes') || read(join(mount, unified, 'memory.current'))
  const memoryBytes = Math.max(0, Number.parseInt(used, 10) - cache)
  return Number.isNaN(cpuSeconds) || Number.isNaN(memoryBytes) ? null : { cpuSeconds, memoryBytes }
}

/** By any kind of OOM killer, children of children included (memory.oom_control since Linux 4.13, memory.events). Null when it is gone. */
export function observeMemoryKills(paths: CgroupPaths): number | null {
  const counters = readOne(paths, 'memory', 'memory.oom_control') || read(join(mount, paths.get('') ?? '', 'memory.events'))
  const found = /^oom_kill (\d+)/m.exec(counters)
  return found === null ? null : Number(found[1])
}

function readOne(paths: CgroupPaths, controller: string, file: string): string {
  const path = paths.get(controller)
  return path === undefined ? '' : read(join(mount, controller, path, file))
}

/** Processes in any cgroup that is named after the container: its id is 64 hexadecimal digits, so nobody else's is meant. */
export function findProcessesOf(containerId: string): readonly number[] {
  if (!/^[0-9a-f]{64}$/.test(containerId)) return []
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    return read(`/proc/${name}/cgroup`).includes(containerId) ? [Number(name)] : []
  })
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
