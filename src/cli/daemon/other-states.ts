/** Which other daemons of this machine run a config: after `up --state DIR`, for a hint; and before a second copy of it would begin. */

import { readdirSync } from 'node:fs'

import { readText } from '../../system/read-quietly.ts'
import { DarumaError } from '../../ports/error.ts'
import { configMarkOf, type ConfigMark } from '../../host/config-marks.ts'
import { Client } from './client.ts'

/** For a hint nobody waits for a daemon that hangs. */
const hintLimitMs = 1000
/** A busy machine must not look like a daemon that runs something else. */
const guardLimitMs = 10_000

export interface ConfigCopy {
  /** Its state directory. */
  readonly directory: string
  /** Null: its daemon does not answer, and so may run it. */
  readonly user: string | null
}

/** State directories of running daemons that were given this config, as far as these answer at once. */
export async function statesOfConfig(file: string): Promise<readonly string[]> {
  const copies = await findCopies(file, () => true, hintLimitMs)
  return copies.flatMap(({ directory, user }) => (user === null ? [] : [directory])).toSorted()
}

/** Before a second copy begins: what runs this config in a state that counts, then what may. At most 10 s, however many daemons there are. */
export function copiesOfConfig(file: string, counts: (directory: string) => boolean): Promise<readonly ConfigCopy[]> {
  return findCopies(file, counts, guardLimitMs)
}

/** By what daemons answer whom we may ask, and by the marks that root's leave for everybody. */
async function findCopies(file: string, counts: (directory: string) => boolean, limitMs: number): Promise<readonly ConfigCopy[]> {
  const mark = readMark(file)
  const directories = [...runningStates()].filter(counts)
  const answers = await Promise.all(
    directories.map(async (directory): Promise<readonly ConfigCopy[]> => {
      const answer = await applierOf(directory, file, limitMs)
      if (answer !== 'nobody' && answer !== 'silent') return [{ directory, user: answer.user }]
      if (mark?.state === directory) return [{ directory, user: 'root' }]
      return answer === 'silent' ? [{ directory, user: null }] : []
    }),
  )
  const copies = answers.flat()
  return [...copies.filter(({ user }) => user !== null), ...copies.filter(({ user }) => user === null)]
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

/** `nobody` also of a daemon that we may not ask, or that has just ended. */
async function applierOf(
  directory: string,
  file: string,
  limitMs: number,
): Promise<{ readonly user: string } | 'nobody' | 'silent'> {
  try {
    const projects = await new Client(directory).projects(limitMs)
    return projects.find(({ origin, isDown }) => origin?.file === file && !isDown)?.origin ?? 'nobody'
  } catch (error) {
    if (!(error instanceof DarumaError)) throw error
    return error.code === 'E_DAEMON_SILENT' ? 'silent' : 'nobody'
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
