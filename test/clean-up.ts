/**
 * Leaves nothing behind: processes by the state's own cgroup and by command line, mounts, cgroups, folders. A workshop's name tells
 * the process that made it, so that what a killed test run left is removed by the next one, and nobody else's is touched.
 */

import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { configMarks } from '../src/host/config-marks.ts'
import { allPids, commandLine, environmentOf, identify, isAlive, signalProcess, until } from './processes.ts'

const prefix = 'daruma-test-'
let hasReaped = false

/** A fresh folder; the first call in a process also removes what dead test runs left. */
export function makeWorkshop(): string {
  if (!hasReaped) reap()
  hasReaped = true
  const me = identify(process.pid)
  const workshop = mkdtempSync(join(tmpdir(), `${prefix}${me?.pid ?? process.pid}-${me?.startTicks ?? 0}-`))
  // Services that run as somebody else must be able to pass through.
  chmodSync(workshop, 0o711)
  return workshop
}

function reap(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = new RegExp(`^${prefix}(\\d+)-(\\d+)-`).exec(name)
    if (owner === null || isAlive({ pid: Number(owner[1]), startTicks: Number(owner[2]) })) continue
    const workshop = join(tmpdir(), name)
    // Of the same run: it is to be told.
    const leftovers = process.env['TEST_LEFTOVERS_FILE']
    if (leftovers !== undefined) appendFileSync(leftovers, `the file ${workshop}, of a test file that has ended\n`)
    // Not waited for in order: another that reaps at this moment removes the same things.
    void cleanUp(workshop, join(workshop, 'state')).catch(() => {})
  }
}

/** Without cgroups an instance that has hidden well is known only by the mark in its environment. */
function traces(pid: number): string[] {
  return [...commandLine(pid), environmentOf(pid)['DARUMA_INSTANCE'] ?? '']
}

export async function cleanUp(workshop: string, state: string): Promise<void> {
  const stateIds = [state, ...statesBelow(workshop)].map(readStateId).filter((id) => id !== null)
  await until(`everything of ${workshop} is ended`, 15_000, () => {
    // Supervisors before daemons, and again until none is left: one may just have been starting the other.
    const remaining = allPids().filter((pid) => pid !== process.pid && isOurs(traces(pid), [workshop, state]))
    for (const pid of remaining) end(pid)
    const caged = [...new Set(stateIds)].flatMap((id) => cgroupsOf(id)).flatMap((cgroup) => killCgroup(cgroup))
    return remaining.length === 0 && caged.length === 0
  })
  for (const id of stateIds) await removeTraces(id)
  for (const mount of mountsBelow(workshop)) spawnSync('umount', ['-l', mount])
  rmSync(workshop, { recursive: true, force: true, maxRetries: 5 })
}

/** Only what names our own folder as a word or below it; `tail /tmp/daruma-test-...` by a curious person counts too, and may end. */
const isOurs = (words: readonly string[], folders: readonly string[]): boolean =>
  words.some((word) => folders.some((folder) => word === folder || word.startsWith(`${folder}/`)))

function end(pid: number): void {
  const id = identify(pid)
  if (id !== null) signalProcess(id, 'SIGKILL')
}

const deepestState = 4

/** A user's own state stands below their home: `home/.local/state/daruma`. An engine's data is no place for one, and large. */
export function statesBelow(folder: string, depth: number = deepestState): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'engine')
    .map((entry) => join(folder, entry.name))
    .flatMap((path) => {
      // An earlier version's may be in the one for all.
      if (existsSync(join(path, 'identity.json'))) return [path, ...(depth > 0 ? statesBelow(path, 0) : [])]
      return depth > 0 ? statesBelow(path, depth - 1) : []
    })
}

export function readStateId(state: string): string | null {
  try {
    const { stateId } = JSON.parse(readFileSync(join(state, 'identity.json'), 'utf8')) as { readonly stateId: string }
    return /^[0-9a-f]{8,}$/.test(stateId) ? stateId : null
  } catch {
    return null
  }
}

/** In whichever hierarchies there are, v1 and v2. */
export function cgroupsOf(stateId: string): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4] ?? '')
  return mounts.map((mount) => join(mount, 'daruma', stateId)).filter(existsSync)
}

/** Returns who was in it. */
function killCgroup(directory: string): number[] {
  const all = [directory, ...childrenDeep(directory)]
  const members = all.flatMap(readMembers)
  const [killFile, freezeFile] = [join(directory, 'cgroup.kill'), join(directory, 'cgroup.freeze')]
  if (members.length === 0) return []
  if (existsSync(freezeFile)) write(freezeFile, '0')
  if (existsSync(killFile)) write(killFile, '1')
  else for (const pid of members) end(pid)
  for (const each of all) if (existsSync(join(each, 'freezer.state'))) write(join(each, 'freezer.state'), 'THAWED')
  return members
}

const readMembers = (cgroup: string): number[] => {
  try {
    return readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text)
  } catch {
    // Removed by another cleanup.
  }
}

function childrenDeep(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name))
  } catch {
    return []
  }
}

/**
 * What the kernel and /run know of a state in which nothing runs any more. A zombie counts for a moment longer on v1, hence the limit;
 * what stays beyond it is somebody's mistake, and is told.
 */
export async function removeTraces(stateId: string): Promise<void> {
  await until(`the cgroups of state ${stateId} are removed`, 5000, () => {
    for (const cgroup of cgroupsOf(stateId)) removeCgroup(cgroup)
    return cgroupsOf(stateId).length === 0
  })
  // Of its projects too.
  const own = (existsSync('/run/daruma') ? readdirSync('/run/daruma') : []).filter((name) => name.split('_')[0] === stateId)
  for (const name of own) {
    const secrets = join('/run/daruma', name, '.secrets')
    if (existsSync(secrets)) spawnSync('umount', ['-l', secrets], { stdio: 'ignore' })
    rmSync(join('/run/daruma', name), { recursive: true, force: true })
  }
  rmSync(join('/run/daruma/states', stateId), { recursive: true, force: true })
  const marks = existsSync(configMarks) ? readdirSync(configMarks).map((name) => join(configMarks, name)) : []
  for (const mark of marks) if (isMarkOf(mark, stateId)) rmSync(mark, { force: true })
}

function isMarkOf(mark: string, stateId: string): boolean {
  try {
    return readFileSync(mark, 'utf8').includes(`"${stateId}"`)
  } catch {
    return false
  }
}

function removeCgroup(directory: string): void {
  for (const each of [...childrenDeep(directory).toSorted((a, b) => b.length - a.length), directory]) {
    try {
      rmdirSync(each)
    } catch {
      // Something is in it still.
    }
  }
}

export function mountsBelow(folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((mount) => mount.startsWith(`${folder}/`))
    .toReversed()
}
