/**
 * What the lab stands on: its folder, and the cgroup hierarchies of this machine. Everything a host owns bears one name, in which the
 * test process that made it can be read: so the next run removes what a killed one left, and nothing else.
 */

import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { identify, isAlive, signalProcess, until } from '../processes.ts'

/** Outside the repository, on a disk: overlayfs wants a real file system below its upper directory. */
const labDirectory = '/var/cache/daruma-lab'
export const baseDirectory: string = join(labDirectory, 'base')
const hostsDirectory = join(labDirectory, 'hosts')

/** `v1`: controllers only. `hybrid`: and the unified hierarchy beside them. `v2`: the unified one alone. */
export type Layout = 'v1' | 'hybrid' | 'v2'

/** A hierarchy can be mounted in a host only if this machine has it mounted. */
export function layoutsHere(): readonly Layout[] {
  const types = new Set(hierarchies().map(({ type }) => type))
  const hasControllers = types.has('cgroup')
  const hasUnified = types.has('cgroup2')
  return [
    ...(hasControllers ? (['v1'] as const) : []),
    ...(hasControllers && hasUnified ? (['hybrid'] as const) : []),
    ...(hasUnified ? (['v2'] as const) : []),
  ]
}

/** Why there can be no lab here, or null. */
export function missingForLab(): string | null {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return 'it needs Linux and root'
  if (!existsSync('/etc/debian_version')) return 'its hosts are made of Debian packages, from the sources of this machine'
  return layoutsHere().length === 0 ? 'no cgroup hierarchy is mounted here' : null
}

export interface Ground {
  readonly directory: string
  readonly cgroups: readonly string[]
}

let count = 0

/** Also removes what dead test runs left behind. */
export async function makeGround(): Promise<Ground> {
  mkdirSync(hostsDirectory, { recursive: true })
  await reap()
  const me = identify(process.pid)
  const name = `daruma-lab-${process.pid}-${me?.startTicks ?? 0}-${(count += 1)}`
  const directory = join(hostsDirectory, name)
  for (const part of ['upper', 'work', 'root', 'package/node_modules']) mkdirSync(join(directory, part), { recursive: true })
  return { directory, cgroups: hierarchies().map(({ mount }) => makeCgroup(mount, name)) }
}

/** Ends everything that runs on it, then removes it. */
export async function clearGround(ground: Ground): Promise<void> {
  await until(`everything in ${ground.directory} is ended`, 20_000, () => {
    const pids = processesOf(ground)
    for (const pid of pids) {
      const id = identify(pid)
      if (id !== null) signalProcess(id, 'SIGKILL')
    }
    return pids.length === 0
  })
  // A cgroup can be removed some milliseconds after its last process.
  await until(`the cgroups of ${ground.directory} are removed`, 10_000, () => ground.cgroups.every(removeCgroup))
  rmSync(ground.directory, { recursive: true, force: true })
}

/** Of all hierarchies: a process that has just joined the first may not be in the last yet. */
export function processesOf(ground: Ground): readonly number[] {
  return [...new Set(ground.cgroups.flatMap(membersOf))]
}

async function reap(): Promise<void> {
  const names = new Set([hostsDirectory, ...hierarchies().map(({ mount }) => mount)].flatMap(directoriesIn))
  for (const name of names) {
    const owner = /^daruma-lab-(\d+)-(\d+)-\d+$/.exec(name)
    if (owner === null || isAlive({ pid: Number(owner[1]), startTicks: Number(owner[2]) })) continue
    const cgroups = hierarchies().map(({ mount }) => join(mount, name))
    await clearGround({ directory: join(hostsDirectory, name), cgroups })
  }
}

function hierarchies(): readonly { readonly type: string; readonly mount: string }[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .flatMap(([, mount = '', type = '']) => (type === 'cgroup' || type === 'cgroup2' ? [{ type, mount }] : []))
}

function makeCgroup(mount: string, name: string): string {
  const cgroup = join(mount, name)
  mkdirSync(cgroup)
  if (existsSync(join(mount, 'cpuset.cpus')) && existsSync(join(cgroup, 'cgroup.clone_children'))) {
    for (const file of ['cpuset.cpus', 'cpuset.mems']) writeFileSync(join(cgroup, file), readFileSync(join(mount, file)))
    writeFileSync(join(cgroup, 'cgroup.clone_children'), '1')
  }
  // No host may open the disks of this machine.
  if (existsSync(join(cgroup, 'devices.deny'))) writeFileSync(join(cgroup, 'devices.deny'), 'b *:* rwm')
  return cgroup
}

function membersOf(cgroup: string): readonly number[] {
  const below = directoriesIn(cgroup).flatMap((name) => membersOf(join(cgroup, name)))
  try {
    return [...readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number), ...below]
  } catch {
    return below
  }
}

function removeCgroup(cgroup: string): boolean {
  for (const name of directoriesIn(cgroup)) removeCgroup(join(cgroup, name))
  try {
    rmdirSync(cgroup)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

function directoriesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  } catch {
    return []
  }
}
