/**
 * Puts one of the scripts of this folder into a state directory under a name made from its content. Running instances outlive
 * upgrades of daruma, so an installed script is never overwritten: a new version is a new file beside it.
 */

import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Returns the path of `<stateDirectory>/host/<name>-<sha256, first 16>.sh`, written (by rename, so always whole) if it was missing. */
export function installScript(options: {
  readonly name: string
  readonly from: string
  readonly stateDirectory: string
}): string {
  const content = readFileSync(join(options.from, `${options.name}.sh`))
  const digest = createHash('sha256').update(content).digest('hex').slice(0, 16)
  const path = join(options.stateDirectory, 'host', `${options.name}-${digest}.sh`)
  if (isInstalled(path, content)) return path

  mkdirSync(join(options.stateDirectory, 'host'), { recursive: true, mode: 0o700 })
  const unfinished = `${path}.${process.pid}.new`
  try {
    writeFileSync(unfinished, content, { mode: 0o500 })
    renameSync(unfinished, path)
  } catch (error) {
    rmSync(unfinished, { force: true })
    throw error
  }
  return path
}

/** A file of this name with other content was cut short by a crash or changed by hand: it is replaced, by rename. */
function isInstalled(path: string, content: Buffer): boolean {
  try {
    return readFileSync(path).equals(content)
  } catch {
    return false
  }
}
