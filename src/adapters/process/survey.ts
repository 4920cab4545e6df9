/**
 * What this host can do, found out by doing it: cgroups are made, a namespace is entered, tools are looked up. A file that exists
 * proves nothing (in containers cgroup mounts are often read-only), so nothing here is guessed from names or versions.
 */

import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Log } from '../../ports/log.ts'
import type { Guarantees } from '../../ports/runtime/runtime.ts'
import { type LimitCgroups, limitCgroups } from './cgroups/limits.ts'
import { type CgroupMounts, findForeignCgroups, parseCgroupMounts } from './cgroups/mounts.ts'
import { readRestrictions, type Restrictions } from './keepers/restrictions.ts'
import { readText } from '../../system/read-quietly.ts'

export type KillMechanism = 'v2' | 'v2-loop' | 'v1' | 'process-group'

/** For tests: this mechanism, whatever the host would offer; and no PID namespaces. */
export interface ForcedMechanisms {
  readonly killing?: KillMechanism
  readonly noNamespaces?: boolean
}

export interface Tools {
  readonly flock: string | null
  readonly unshare: string | null
  readonly mount: string | null
  readonly nsenter: string | null
  readonly setpriv: string | null
  readonly prlimit: string | null
  readonly setarch: string | null
  /** One that knows `--fork`. */
  readonly setsid: string | null
  readonly env: string
}

export interface Survey {
  readonly isRoot: boolean
  readonly tools: Tools
  readonly killing: KillMechanism
  readonly namespaces: boolean
  /** Where `daruma/<stateId>` stands for the chosen mechanism; null for process groups. */
  readonly cgroupMount: string | null
  readonly limits: LimitCgroups
  readonly guarantees: Guarantees
  /** What this daemon was started with, no child of it can win back, and every service therefore has: one sentence each. */
  readonly inherited: readonly string[]
  /** The `cgroup.procs` files of the roots of v1 hierarchies in which this daemon is somewhere below. */
  readonly foreignCgroups: readonly string[]
}

export async function surveyHost(options: {
  readonly stateId: string
  /** Tests use each mechanism for real, whatever the host would choose. */
  readonly force: KillMechanism | null
  readonly forceNoNamespaces: boolean
}): Promise<Survey> {
  const isRoot = process.geteuid?.() === 0
  const mounts = isRoot ? parseCgroupMounts(readMountinfo()) : { unified: null, controllers: new Map<string, string>() }
  const isUsable = (mount: string): boolean => canMakeCgroup(join(mount, 'daruma', options.stateId))
  const killing = chooseMechanism(mounts, isUsable, join('daruma', options.stateId), options.force)
  const programs = findTools()
  const mayUnshare = isRoot && !options.forceNoNamespaces && programs.mount !== null
  const [namespaces, canFork] = await Promise.all([
    mayUnshare && canDo(programs.unshare, ['--pid', '--fork', '--kill-child', '--mount-proc', '--', ...shellThatReadsProc]),
    canDo(programs.setsid, ['--fork', ...shellThatReadsProc]),
  ])
  const tools = { ...programs, setsid: canFork ? programs.setsid : null }
  const limits = limitCgroups(killing === 'process-group' ? { unified: null, controllers: new Map() } : mounts, isUsable)
  const cgroupMount =
    killing === 'process-group' ? null : killing === 'v1' ? (mounts.controllers.get('freezer') ?? null) : mounts.unified
  const inherited = isRoot ? explainRestrictions(readRestrictions()) : []
  const found = { isRoot, killing, namespaces, hasLock: tools.flock !== null, limits: limits.available, inherited }
  const foreignCgroups = isRoot ? findForeignCgroups(mounts, readText('/proc/self/cgroup')) : []
  return {
    isRoot,
    tools,
    killing,
    namespaces,
    cgroupMount,
    limits,
    guarantees: explainGuarantees(found),
    inherited,
    foreignCgroups,
  }
}

/** All runtimes of a machine may share it. What is weaker than it could be is logged. */
export async function surveyForRuntimes({
  stateId,
  force,
  log,
}: {
  readonly stateId: string
  readonly force?: ForcedMechanisms | undefined
  readonly log: Log
}): Promise<Survey> {
  const [killing, forceNoNamespaces] = [force?.killing ?? null, force?.noNamespaces ?? false]
  const survey = await surveyHost({ stateId, force: killing, forceNoNamespaces })
  for (const weakness of survey.inherited) log.write('info', weakness, {})
  return survey
}

function chooseMechanism(
  mounts: CgroupMounts,
  isUsable: (mount: string) => boolean,
  path: string,
  force: KillMechanism | null,
): KillMechanism {
  if (force === 'process-group') return force
  const unified = mounts.unified
  if (force !== 'v1' && unified !== null && isUsable(unified)) {
    if (force !== 'v2-loop' && existsSync(join(unified, path, 'cgroup.kill'))) return 'v2'
    if (existsSync(join(unified, path, 'cgroup.freeze'))) return 'v2-loop'
  }
  const freezer = mounts.controllers.get('freezer')
  if (freezer !== undefined && isUsable(freezer)) return 'v1'
  return 'process-group'
}

/** The directory stays: it is this state's own, and needed with the first start. */
function canMakeCgroup(directory: string): boolean {
  try {
    mkdirSync(directory, { recursive: true })
    accessSync(join(directory, 'cgroup.procs'), constants.W_OK)
    return true
  } catch {
    return false
  }
}

const shellThatReadsProc = ['/bin/sh', '-c', 'read -r line </proc/self/stat']

function canDo(tool: string | null, words: readonly string[]): Promise<boolean> {
  if (tool === null) return Promise.resolve(false)
  return new Promise((resolve) => {
    execFile(tool, words, { timeout: 5000, killSignal: 'SIGKILL' }, (error) => resolve(error === null))
  })
}

function findTools(): Tools {
  const find = (name: string): string | null => {
    const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/bin', '/sbin', '/bin']
    for (const directory of directories) {
      if (!directory.startsWith('/')) continue
      try {
        accessSync(join(directory, name), constants.X_OK)
        return join(directory, name)
      } catch {
        continue
      }
    }
    return null
  }
  return {
    flock: find('flock'),
    unshare: find('unshare'),
    mount: find('mount'),
    nsenter: find('nsenter'),
    setpriv: find('setpriv'),
    prlimit: find('prlimit'),
    setarch: find('setarch'),
    setsid: find('setsid'),
    env: find('env') ?? '/usr/bin/env',
  }
}

function readMountinfo(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    return ''
  }
}

function explainRestrictions({ noNewPrivileges, droppedCapabilities }: Restrictions): readonly string[] {
  const dropped = droppedCapabilities.join(', ')
  return [
    ...(noNewPrivileges
      ? ['this daemon was started with no_new_privs: in no service do setuid programs (sudo) or file capabilities take effect']
      : []),
    ...(dropped === '' ? [] : [`this daemon was started without ${dropped}: no service can have them`]),
  ]
}

function explainGuarantees(found: {
  readonly isRoot: boolean
  readonly killing: KillMechanism
  readonly namespaces: boolean
  readonly hasLock: boolean
  readonly limits: Guarantees['limits']
  readonly inherited: readonly string[]
}): Guarantees {
  const weaker: string[] = [...found.inherited]
  if (!found.isRoot) weaker.push('not root: limits, users and mounted volumes are not available')
  if (found.killing === 'process-group') {
    weaker.push('no cgroups: a child that leaves its process group and clears its environment is not found and not ended')
  }
  if (!found.namespaces) {
    weaker.push(
      'no PID namespaces: while no daemon runs, children that outlive their command live on until the next daemon ends them',
    )
  }
  if (!found.hasLock) weaker.push('no flock (util-linux): a keeper cannot see that another process holds its slot')
  if (found.isRoot && found.limits.length < 3) {
    const missing = ['cpu', 'memory', 'pids'].filter((name) => !found.limits.includes(name as 'cpu'))
    weaker.push(`no cgroup controller for: ${missing.join(', ')}`)
  }
  const because =
    found.killing === 'process-group'
      ? 'no usable cgroups, so it cannot be proven that an instance is gone'
      : found.hasLock
        ? null
        : 'no flock, so a second start cannot be ruled out'
  return {
    killing: found.killing,
    namespaces: found.namespaces,
    lock: found.hasLock,
    limits: found.limits,
    strict: { possible: because === null, because },
    weaker,
  }
}
