/** Which other daemons of this machine run a config: after `up --state DIR`, for a hint; and before a second copy of it would begin. */

import { readdirSync } from 'node:fs'

import { readText } from '../../system/read-quietly.ts'
import { DarumaError } from '../../ports/error.ts'
import { configMarkOf, type ConfigMark } from '../../host/config-marks.ts'
import { Client } from './client.ts'

/** Nobody waits for a daemon that hangs. */
const limitMs = 1000

export interface ConfigCopy {
  /** Its state directory. */
  readonly directory: string
  readonly user: string
}

/** State directories of running daemons that were given this config. */
export async function statesOfConfig(file: string): Promise<readonly string[]> {
  return (await copiesOfConfig(file)).map(({ directory }) => directory).toSorted()
}

/** By what daemons answer whom we may ask, and by the marks that root's leave for everybody. */
export async function copiesOfConfig(file: string): Promise<readonly ConfigCopy[]> {
  const directories = runningStates()
  const found = new Map<string, ConfigCopy>()
  const mark = readMark(file)
  if (mark !== null && directories.has(mark.state)) found.set(mark.state, { directory: mark.state, user: 'root' })
  for (const directory of directories) {
    const user = await applierOf(directory, file)
    if (user !== null) found.set(directory, { directory, user })
  }
  return [...found.values()]
}

/** By their command lines: they are nowhere written down. */
function runningStates(): ReadonlySet<string> {
  const found = new Set<string>()
  for (const pid of listPids()) {
    const words = readText(`/proc/${pid}/cmdline`).split('\0')
    const at = words.indexOf('--state')
    const directory = at < 2 || words[at - 1] !== 'run' || words[at - 2] !== 'daemon' ? undefined : words[at + 1]
    if (directory !== undefined) found.add(directory)
  }
  return found
}

async function applierOf(directory: string, file: string): Promise<string | null> {
  try {
    const projects = await new Client(directory).projects(limitMs)
    return projects.find(({ origin, isDown }) => origin?.file === file && !isDown)?.origin?.user ?? null
  } catch (error) {
    if (error instanceof DarumaError) return null
    throw error
  }
}

function readMark(file: string): ConfigMark | null {
  try {
    return JSON.parse(readText(configMarkOf(file))) as ConfigMark
  } catch {
    return null
  }
}

function listPids(): readonly string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}
