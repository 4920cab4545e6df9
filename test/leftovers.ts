/**
 * Each run of the tests has a temporary folder of its own, and everything that the run makes names it: files stand in it, processes
 * were started with it as their TMPDIR, mounts lie below it, and the states and engines in it name their cgroups. So what is left at
 * the end is this run's, whatever else tests on the same machine, and is somebody's mistake.
 */

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cgroupsOf, cleanUp, mountsBelow, readStateId, statesBelow } from './clean-up.ts'
import { allPids, commandLine, environmentOf, identify, isAlive, signalProcess, until } from './processes.ts'

/** Short, since a path of a unix socket may have 107 bytes. */
const prefix = 'drm-'
const ownerFile = 'owner'
/** Browsers and engines have helpers that end a moment after them. */
const usualPatienceMs = 5000

/** Makes the folder, and removes what runs left that were killed. */
export async function openRunFolder(): Promise<string> {
  for (const name of readdirSync(tmpdir())) if (name.startsWith(prefix)) await removeDead(join(tmpdir(), name))
  const folder = mkdtempSync(join(tmpdir(), prefix))
  // Some tests start programs of other users.
  chmodSync(folder, 0o1777)
  writeFileSync(join(folder, ownerFile), JSON.stringify(identify(process.pid)))
  return folder
}

async function removeDead(folder: string): Promise<void> {
  try {
    const owner = JSON.parse(readFileSync(join(folder, ownerFile), 'utf8')) as {
      readonly pid: number
      readonly startTicks: number
    }
    if (!isAlive(owner)) await removeRun(folder)
  } catch (error) {
    console.log(`tests: ${folder} of an earlier run could not be removed: ${String(error)}`)
  }
}

/** What there still is after a moment, each in words that name it. */
export async function findLeftovers(folder: string, patienceMs: number = usualPatienceMs): Promise<readonly string[]> {
  const end = performance.now() + patienceMs
  for (;;) {
    const left = look(folder)
    if (left.length === 0 || performance.now() >= end) return left
    await sleep(100)
  }
}

function look(folder: string): readonly string[] {
  const files = readdirSync(folder).filter((name) => name !== ownerFile && name !== compileCache)
  const states = statesBelow(folder).map(readStateId)
  return [
    ...files.map((name) => `the file ${join(folder, name)}`),
    ...processesOf(folder).map((pid) => `the process ${pid} (${commandLine(pid).join(' ').slice(0, 200)})`),
    ...mountsBelow(folder).map((mount) => `the mount ${mount}`),
    ...states.flatMap((id) => (id === null ? [] : cgroupsOf(id))).map((cgroup) => `the cgroup ${cgroup}`),
  ]
}

/** Node's own, of anything that asks for it there: npm, the TypeScript compiler, and the test files. */
export const compileCache = 'node-compile-cache'

/** Whatever became of their command line: they were started with the folder in their environment, or work in it. */
function processesOf(folder: string): readonly number[] {
  const isIn = (path: string | undefined): boolean => path === folder || path?.startsWith(`${folder}/`) === true
  return allPids().filter((pid) => {
    if (pid === process.pid) return false
    const id = identify(pid)
    if (id === null || !isAlive(id)) return false
    return isIn(environmentOf(pid)['TMPDIR']) || isIn(workingDirectory(pid)) || commandLine(pid).some(isIn)
  })
}

function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined
  }
}

/** Ends and removes everything of the run. */
export async function removeRun(folder: string): Promise<void> {
  await until(`everybody of ${folder} is ended`, 15_000, () => {
    const left = processesOf(folder)
    for (const pid of left) {
      const id = identify(pid)
      if (id !== null) signalProcess(id, 'SIGKILL')
    }
    return left.length === 0
  })
  await cleanUp(folder, folder)
  for (const mount of mountsBelow(folder)) spawnSync('umount', ['-l', mount])
  if (existsSync(folder)) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}
