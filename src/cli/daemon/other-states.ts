/** After `up --state DIR`, a command without --state looks at the usual place and finds nothing there: it can say where the daemon is. */

import { readdirSync } from 'node:fs'

import { readText } from '../../system/read-quietly.ts'
import { readOrigin } from './state.ts'

/** State directories of running daemons that were given this config. By their command lines: they are nowhere written down. */
export function statesOfConfig(file: string): readonly string[] {
  const found = new Set<string>()
  for (const pid of listPids()) {
    const words = readText(`/proc/${pid}/cmdline`).split('\0')
    const at = words.indexOf('--state')
    const directory = at < 2 || words[at - 1] !== 'run' || words[at - 2] !== 'daemon' ? undefined : words[at + 1]
    if (directory !== undefined && readOrigin(directory)?.file === file) found.add(directory)
  }
  return [...found].toSorted()
}

function listPids(): readonly string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}
