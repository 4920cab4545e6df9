/** After `up --state DIR`, a command without --state looks at the usual place and finds nothing there: it can say where the daemon is. */

import { readdirSync } from 'node:fs'

import { readText } from '../../system/read-quietly.ts'
import { DarumaError } from '../../ports/error.ts'
import { Client } from './client.ts'

/** It is only for a hint. */
const limitMs = 1000

/** State directories of running daemons that were given this config. By their command lines: they are nowhere written down. */
export async function statesOfConfig(file: string): Promise<readonly string[]> {
  const found = new Set<string>()
  for (const pid of listPids()) {
    const words = readText(`/proc/${pid}/cmdline`).split('\0')
    const at = words.indexOf('--state')
    const directory = at < 2 || words[at - 1] !== 'run' || words[at - 2] !== 'daemon' ? undefined : words[at + 1]
    if (directory !== undefined && (await isApplied(directory, file))) found.add(directory)
  }
  return [...found].toSorted()
}

async function isApplied(directory: string, file: string): Promise<boolean> {
  try {
    return (await new Client(directory).projects(limitMs)).some(({ origin }) => origin?.file === file)
  } catch (error) {
    if (error instanceof DarumaError) return false
    throw error
  }
}

function listPids(): readonly string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}
