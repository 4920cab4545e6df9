/** Leaves marks of the configs that a daemon of root's runs; see `host/config-marks.ts`. */

import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { ConfigMark } from '../../host/config-marks.ts'
import { configMarkOf, configMarks } from '../../host/config-marks.ts'
import { isDevState } from '../../host/dev-state.ts'
import { readNames } from '../../system/read-quietly.ts'

/** Those of this state that are not named are removed. Marks are a help: what is in the way of them is in the way of nothing else. */
export function markConfigs(
  { stateId, path }: { readonly stateId: string; readonly path: string },
  files: readonly string[],
): void {
  // The mark of what is developed would replace that of what `up` runs.
  if (process.geteuid?.() !== 0 || isDevState(path)) return
  try {
    // A daemon's umask would keep others out.
    mkdirSync(configMarks, { recursive: true })
    chmodSync(configMarks, 0o711)
    const wanted = new Set(files.map(configMarkOf))
    for (const mark of readNames(configMarks).map((name) => join(configMarks, name)))
      if (!wanted.has(mark) && ownerOf(mark) === stateId) rmSync(mark, { force: true })
    for (const mark of wanted) write(mark, { stateId, state: path })
  } catch {
    // A /run that is full, read-only or not there.
  }
}

function ownerOf(mark: string): string | null {
  try {
    return (JSON.parse(readFileSync(mark, 'utf8')) as ConfigMark).stateId
  } catch {
    return null
  }
}

function write(mark: string, content: ConfigMark): void {
  const next = `${mark}.${process.pid}`
  writeFileSync(next, `${JSON.stringify(content)}\n`)
  chmodSync(next, 0o644)
  renameSync(next, mark)
}
