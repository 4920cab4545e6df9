/**
 * What a process hands down to its children besides what a config says: how nice it is, on which processors, under which limits, in which
 * cgroups (v1). A daemon has it from whatever shell `daruma up` was typed in, for months. So the shells that make keepers put all of it to
 * stated values before they make the first one, and every instance begins from there. What Node and the keeper do already: signal
 * dispositions and mask (libuv), open descriptors, session and terminal, directory, umask, environment. What the daemon does for itself: a
 * session keyring of its own. What nobody can undo, and the daemon says when it begins: capabilities that were dropped for good,
 * no_new_privs, hard limits without CAP_SYS_RESOURCE.
 */

import { readText } from '../../../system/read-quietly.ts'
import { hardLimitIn, readRlimitRights, type RlimitRights } from '../../../system/rlimits.ts'
import { quote } from './quote.ts'

export interface Rlimit {
  /** `Infinity` is none. */
  readonly soft: number
  readonly hard: number
}

const unlimited: Rlimit = { soft: Infinity, hard: Infinity }

/**
 * By prlimit(1)'s names. As systemd has them for its services, but for the soft number of files: 1,024 is for programs that use select(2),
 * which break above it, and keeps every other server from 1,025 connections.
 */
export const defaultRlimits: Readonly<Record<string, Rlimit>> = {
  as: unlimited,
  core: { soft: 0, hard: Infinity },
  cpu: unlimited,
  data: unlimited,
  fsize: unlimited,
  locks: unlimited,
  memlock: { soft: 8 * 2 ** 20, hard: 8 * 2 ** 20 },
  msgqueue: { soft: 819_200, hard: 819_200 },
  nice: { soft: 0, hard: 0 },
  nofile: { soft: 65_536, hard: 524_288 },
  nproc: unlimited,
  rss: unlimited,
  rtprio: { soft: 0, hard: 0 },
  rttime: unlimited,
  stack: { soft: 8 * 2 ** 20, hard: Infinity },
}

/** The kernel's default, 50 µs (prctl(2), PR_SET_TIMERSLACK). */
const timerSlackNs = 50_000

/**
 * Script for a shell: leaves `foreignCgroups` (files of the roots that it joins instead), sets itself, and with it all its children, to the
 * known state. What is not permitted here stays as it was.
 */
export function renderKnownState(foreignCgroups: readonly string[]): string {
  const processors = readText('/sys/devices/system/cpu/possible').trim()
  const rights = readRlimitRights()
  const wanted = { ...defaultRlimits, ...sigpendingOfKernel() }
  const limits = Object.entries(attainable(wanted, rights))
  const commands = [
    // First, because a cpuset there may leave out processors.
    ...foreignCgroups.map((file) => `echo 0 >${quote(file)}`),
    'renice -n 0 -p $$',
    'chrt --other -p 0 $$',
    'ionice -c 0 -p $$',
    ...(processors === '' ? [] : [`taskset -pc ${quote(processors)} $$`]),
    `prlimit --pid $$ ${limits.map(([name, limit]) => `--${name}=${renderRlimit(limit)}`).join(' ')}`,
    'echo 0 >/proc/self/oom_score_adj',
    `echo ${timerSlackNs} >/proc/self/timerslack_ns`,
  ]
  return `umask 022; ${commands.map((command) => `{ ${command}; } >/dev/null 2>&1`).join('; ')}\n`
}

/** A program in front of each keeper that undoes what a shell cannot undo for itself; almost always none. */
export function wrapKnownState(tools: { readonly setpriv: string | null; readonly setarch: string | null }): readonly string[] {
  const status = readText('/proc/self/status')
  const hasInheritable = ['CapInh', 'CapAmb'].some((name) => /[1-9a-f]/.test(readField(status, name)))
  const personality = readText('/proc/self/personality').trim()
  return [
    ...(hasInheritable && tools.setpriv !== null ? [tools.setpriv, '--ambient-caps=-all', '--inh-caps=-all', '--'] : []),
    // Without options it is the machine's plain one.
    ...(/[1-9a-f]/.test(personality) && tools.setarch !== null
      ? [tools.setarch, process.arch === 'x64' ? 'x86_64' : 'linux64']
      : []),
  ]
}

/** `--nofile=1024:4096`, without the name. */
export function renderRlimit({ soft, hard }: Rlimit): string {
  const render = (value: number): string => (value === Infinity ? 'unlimited' : `${value}`)
  return `${render(soft)}:${render(hard)}`
}

/** The kernel's own default for process 1 (kernel/fork.c, `fork_init`). */
function sigpendingOfKernel(): Readonly<Record<string, Rlimit>> {
  const threads = Number.parseInt(readText('/proc/sys/kernel/threads-max'), 10)
  const most = Math.floor(threads / 2)
  return Number.isSafeInteger(most) ? { sigpending: { soft: most, hard: most } } : {}
}

/** Exported for its test. Without the capability a hard limit can only be lowered. */
export function attainable(
  wanted: Readonly<Record<string, Rlimit>>,
  { limits, mayRaise }: Pick<RlimitRights, 'limits' | 'mayRaise'>,
): Readonly<Record<string, Rlimit>> {
  if (mayRaise) return wanted
  const found = Object.entries(wanted).flatMap(([name, limit]): readonly [string, Rlimit][] => {
    const own = hardLimitIn(limits, name)
    if (own === null) return []
    const hard = Math.min(limit.hard, own)
    return [[name, { soft: Math.min(limit.soft, hard), hard }]]
  })
  return Object.fromEntries(found)
}

const readField = (status: string, name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? ''
