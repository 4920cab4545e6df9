/**
 * Limits of one epoch, in v1 controllers or v2 ones, whichever this host has. Only instances with a limit get these cgroups. The
 * keeper joins them before the command exists, so the command never runs without its limits.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import type { Limits } from '../../../core/model/service.ts'
import { isMissing } from '../../../system/errno.ts'
import { readText } from '../../../system/read-quietly.ts'
import { removeCgroup } from './cgroup.ts'
import type { CgroupMounts } from './mounts.ts'

export type LimitName = 'cpu' | 'memory' | 'pids'

/** What one controller is told: files are written in this order; `optional` ones may be missing on a kernel. */
export interface ControllerSetting {
  readonly controller: LimitName
  readonly files: readonly { readonly name: string; readonly value: string; readonly optional: boolean }[]
}

/**
 * The keeper's own processes must not eat from the limit that the user gave to the command: process 1 of the namespace, and in a v2 cgroup,
 * which they share with the command, `unshare` as well.
 */
const keeperProcesses = { 1: 1, 2: 2 } as const
/** The kernel's default period; Docker and systemd use it too. */
const periodMicroseconds = 100_000

export function renderLimits(limits: Limits, version: 1 | 2): readonly ControllerSetting[] {
  const settings: ControllerSetting[] = []
  const { cpuCores, memoryBytes, pids } = limits
  if (cpuCores !== null) {
    // The kernel refuses quotas below 1 ms.
    const quota = Math.max(1000, Math.round(cpuCores * periodMicroseconds))
    settings.push({
      controller: 'cpu',
      files:
        version === 1
          ? [required('cpu.cfs_period_us', `${periodMicroseconds}`), required('cpu.cfs_quota_us', `${quota}`)]
          : [required('cpu.max', `${quota} ${periodMicroseconds}`)],
    })
  }
  if (memoryBytes !== null) {
    // Swap would turn "out of memory" into "hangs for minutes", so it is not added to the limit.
    settings.push({
      controller: 'memory',
      files:
        version === 1
          ? [required('memory.limit_in_bytes', `${memoryBytes}`), optional('memory.memsw.limit_in_bytes', `${memoryBytes}`)]
          : [required('memory.max', `${memoryBytes}`), optional('memory.swap.max', '0')],
    })
  }
  if (pids !== null) settings.push({ controller: 'pids', files: [required('pids.max', `${pids + keeperProcesses[version]}`)] })
  return settings
}

const required = (name: string, value: string): ControllerSetting['files'][number] => ({ name, value, optional: false })
const optional = (name: string, value: string): ControllerSetting['files'][number] => ({ name, value, optional: true })

export interface LimitCgroups {
  /** Makes what `limits` needs; returns the files a keeper must join beyond its cgroup's. Throws when the host cannot. */
  make(path: string, limits: Limits): readonly string[]
  /** Join files of an epoch that exist already. */
  joinFiles(path: string): readonly string[]
  /** Processes the kernel killed in this epoch because its memory limit was reached. To be asked before {@link remove}. */
  countOomKills(path: string): number
  /** Whether the kernel counts them also of an epoch without limits. */
  readonly countsUnlimited: boolean
  /** False when one of them could not be removed yet. */
  remove(path: string): boolean
  readonly available: readonly LimitName[]
  /** The hierarchies in which they are made. */
  readonly mounts: readonly string[]
}

/** `path` is relative to each mount: `daruma/<stateId>/<service>.<index>/<epoch>`. */
export function limitCgroups(mounts: CgroupMounts, isUsable: (mount: string) => boolean): LimitCgroups {
  const names: readonly LimitName[] = ['cpu', 'memory', 'pids']
  const unified = mounts.unified
  const unifiedNames = unified === null ? [] : readWords(join(unified, 'cgroup.controllers'))
  const roots = new Map<LimitName, { readonly mount: string; readonly version: 1 | 2 }>()
  for (const name of names) {
    const v1 = mounts.controllers.get(name)
    if (unified !== null && unifiedNames.includes(name) && isUsable(unified)) roots.set(name, { mount: unified, version: 2 })
    else if (v1 !== undefined && isUsable(v1)) roots.set(name, { mount: v1, version: 1 })
  }
  const v1Directories = (path: string): string[] => [
    ...new Set([...roots.values()].filter((root) => root.version === 1).map((root) => join(root.mount, path))),
  ]

  return {
    available: [...roots.keys()],
    mounts: [...new Set([...roots.values()].map(({ mount }) => mount))],
    make(path, limits) {
      const joinFiles = new Set<string>()
      for (const version of [1, 2] as const) {
        for (const setting of renderLimits(limits, version)) {
          const root = roots.get(setting.controller)
          if (root === undefined) throw new Error(`this host cannot limit ${setting.controller} (no usable cgroup controller)`)
          if (root.version !== version) continue
          const directory = join(root.mount, path)
          if (version === 2) delegate(root.mount, path, setting.controller)
          mkdirSync(directory, { recursive: true })
          for (const file of setting.files) writeSetting(join(directory, file.name), file.value, file.optional)
          if (version === 1) joinFiles.add(join(directory, 'cgroup.procs'))
        }
      }
      return [...joinFiles]
    },
    joinFiles: (path) => v1Directories(path).flatMap((directory) => (exists(directory) ? [join(directory, 'cgroup.procs')] : [])),
    countOomKills(path) {
      const root = roots.get('memory')
      if (root === undefined) return 0
      return readCounter(join(root.mount, path, root.version === 1 ? 'memory.oom_control' : 'memory.events'), 'oom_kill')
    },
    countsUnlimited: roots.get('memory')?.version === 2,
    remove: (path) => v1Directories(path).every((directory) => removeCgroup(directory)),
  }
}

/** A v2 controller reaches a cgroup only when every cgroup above hands it down. */
function delegate(mount: string, path: string, controller: LimitName): void {
  let directory = mount
  for (const part of ['', ...dirname(path).split('/')]) {
    directory = join(directory, part)
    mkdirSync(directory, { recursive: true })
    const file = join(directory, 'cgroup.subtree_control')
    if (!readWords(file).includes(controller)) writeFileSync(file, `+${controller}`)
  }
}

function writeSetting(file: string, value: string, isOptional: boolean): void {
  try {
    writeFileSync(file, value, { flag: 'r+' })
  } catch (error) {
    if (!isOptional || !isMissing(error)) throw error
  }
}

function readWords(file: string): readonly string[] {
  return readText(file).split(/\s+/)
}

function readCounter(file: string, name: string): number {
  const line = readText(file)
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name} `))
  return line === undefined ? 0 : Number(line.slice(name.length + 1))
}

const exists = (directory: string): boolean => readText(join(directory, 'cgroup.clone_children')) !== ''
