/**
 * From a start order to what its keeper is told: pure but for looking up a user. What a newcomer would get wrong: until the user is
 * changed root reads the environment. Whatever steers the dynamic loader therefore travels as arguments of `env`, behind `setpriv`, so
 * that a user's own library never runs as root.
 */

import type { ProcessOrder, StartOrder } from '../../ports/runtime/runtime.ts'
import { type KeeperOrder, shellsOwn } from './keepers/keeper-script.ts'
import { entriesOf, showUlimit, type Ulimits } from '../../core/values/ulimits.ts'
import { markVariable } from './cgroups/process-group.ts'
import { renderNumber } from '../../host/slot-files.ts'
import { findAccount } from '../../system/account.ts'
import type { Survey } from './survey.ts'

export type ProcessStart = StartOrder & { readonly runs: ProcessOrder }

export interface UserIdentity {
  readonly uid: number
  readonly gid: number
  /** Null for a bare number without an account; such a user has no further groups. */
  readonly name: string | null
}

export interface VolumeDirectory {
  readonly source: string
  /** Null: the instance finds it by its path alone. */
  readonly target: string | null
  /** Whether it cannot be written through the mount, not even by root. */
  readonly isReadOnly?: boolean
}

export function planRun(options: {
  readonly order: ProcessStart
  readonly survey: Survey
  readonly epochDirectory: string
  readonly user: UserIdentity | null
  readonly volumes: readonly VolumeDirectory[]
}): Omit<KeeperOrder, 'slotDirectory' | 'epochDirectory' | 'joinFiles'> & {
  readonly commandEnvironment: Readonly<Record<string, string>>
} {
  const { order, survey } = options
  const { plain, loader } = splitEnvironment(order.environment)
  const environment: Record<string, string> = { ...plain }
  for (const [name, value] of Object.entries(plain)) {
    const volume = options.volumes.find((candidate) => candidate.source === value)
    if (name.startsWith('DARUMA_VOLUME_') && volume !== undefined) environment[name] = volume.target ?? value
  }
  if (survey.killing === 'process-group') environment[markVariable] = options.epochDirectory
  return {
    epoch: renderNumber(order.epoch).trimEnd(),
    directory: order.runs.directory,
    mounts: options.volumes.flatMap(({ source, target, isReadOnly = false }) =>
      target === null ? [] : [{ source, target, isReadOnly }],
    ),
    environment,
    command: underUlimits(order.ulimits, survey, asUser({ survey, user: options.user, loader, command: order.runs.command })),
    commandEnvironment: { ...order.environment, ...environment },
  }
}

/** The command behind `setpriv` and `env`, as far as it needs them. */
export function asUser(options: {
  readonly survey: Survey
  readonly user: UserIdentity | null
  readonly loader: readonly string[]
  readonly command: readonly string[]
}): readonly string[] {
  const { user, loader, survey } = options
  const words = loader.length === 0 ? options.command : [survey.tools.env, ...loader, ...options.command]
  if (user === null) return words
  const groups = user.name === null ? '--clear-groups' : '--init-groups'
  const reuid = `--reuid=${user.name ?? user.uid}`
  return [survey.tools.setpriv ?? 'setpriv', reuid, `--regid=${user.gid}`, groups, '--', ...words]
}

/** In front of everything, because root alone raises a hard limit. */
function underUlimits(ulimits: Ulimits, survey: Survey, command: readonly string[]): readonly string[] {
  const options = entriesOf(ulimits).map(([name, ulimit]) => `--${name}=${showUlimit(ulimit)}`)
  return options.length === 0 ? command : [survey.tools.prlimit ?? 'prlimit', ...options, '--', ...command]
}

/**
 * What the loader and libc obey (ld.so(8), mallopt(3)), by exact name: these come to stand on a command line, and a secret that merely
 * begins alike (LD_SDK_KEY is a real one) must not.
 */
const loaderVariables: ReadonlySet<string> = new Set([
  ...[
    'LIBRARY_PATH',
    'PRELOAD',
    'AUDIT',
    'BIND_NOW',
    'BIND_NOT',
    'DEBUG',
    'DEBUG_OUTPUT',
    'DYNAMIC_WEAK',
    'HWCAP_MASK',
    'ORIGIN_PATH',
  ].map(ld),
  ...['POINTER_GUARD', 'PROFILE', 'PROFILE_OUTPUT', 'SHOW_AUXV', 'TRACE_LOADED_OBJECTS', 'USE_LOAD_BIAS', 'VERBOSE', 'WARN'].map(
    ld,
  ),
  ...[
    'ARENA_MAX',
    'ARENA_TEST',
    'CHECK_',
    'MMAP_MAX_',
    'MMAP_THRESHOLD_',
    'PERTURB_',
    'TOP_PAD_',
    'TRIM_THRESHOLD_',
    'TRACE',
  ].map((name) => `MALLOC_${name}`),
  'GLIBC_TUNABLES',
  'GCONV_PATH',
  'LOCPATH',
  'NLSPATH',
])

function ld(name: string): string {
  return `LD_${name}`
}

export function splitEnvironment(environment: Readonly<Record<string, string>>): {
  readonly plain: Readonly<Record<string, string>>
  readonly loader: readonly string[]
} {
  const plain: Record<string, string> = {}
  const loader: string[] = []
  for (const [name, value] of Object.entries(environment)) {
    if (loaderVariables.has(name) || shellsOwn.has(name)) loader.push(`${name}=${value}`)
    else plain[name] = value
  }
  return { plain, loader }
}

/** MAX_ARG_STRLEN, and a quarter of the usual stack, less what our own words need (execve(2)). */
const maxStringBytes = 128 * 1024
const maxWordsBytes = 2 * 1024 * 1024 - 64 * 1024

/** Why the order cannot be carried out on this host, or null. */
export function findFault(order: ProcessStart, survey: Survey): string | null {
  const { command, directory, user } = order.runs
  if (command.length === 0) return 'the command is empty'
  for (const name of Object.keys(order.environment)) {
    // A POSIX shell stands between us and the command, and drops variables that it could not name itself.
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return `the environment variable "${name}" has a name that a shell cannot pass on`
    if (name.startsWith('daruma_')) return `the environment variable "${name}" is reserved`
  }
  const texts = [...command, directory, ...Object.values(order.environment)]
  if (texts.some((text) => text.includes('\0'))) return 'a NUL character cannot be passed to a process'
  const strings = [...command, ...Object.entries(order.environment).map(([name, value]) => `${name}=${value}`)]
  const sizes = strings.map((text) => Buffer.byteLength(text) + 1)
  if (sizes.some((size) => size > maxStringBytes) || sizes.reduce((sum, size) => sum + size + 8, 0) > maxWordsBytes)
    return 'the command and its environment are larger than the kernel hands to a process (E2BIG): 128 KiB a string, 2 MiB in all'
  if (user !== null && !survey.isRoot) return `running as user "${user}" needs root`
  if (user !== null && survey.tools.setpriv === null) return `running as user "${user}" needs setpriv (util-linux)`
  if (entriesOf(order.ulimits).length > 0 && survey.tools.prlimit === null) return 'ulimits need prlimit (util-linux)'
  const mounted = order.volumes.find((volume) => volume.target !== null)
  if (mounted !== undefined && !survey.namespaces) {
    // Starting without the mount would let the program write its data where it is lost.
    return `mounting the volume "${mounted.name}" on ${mounted.target} needs root and namespaces`
  }
  const { cpuCores, memoryBytes, pids } = order.limits
  const wanted = { cpu: cpuCores, memory: memoryBytes, pids }
  for (const name of ['cpu', 'memory', 'pids'] as const) {
    if (survey.isRoot && wanted[name] !== null && !survey.limits.available.includes(name)) return `this host cannot limit ${name}`
  }
  return null
}

/** Throws nothing: null when there is no such user. A number needs no name. */
export async function findUser(user: string): Promise<UserIdentity | null> {
  const account = await findAccount(user)
  if (account !== null) return account
  return /^\d+$/.test(user) ? { uid: Number(user), gid: Number(user), name: null } : null
}
