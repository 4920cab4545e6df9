/**
 * Puts one of the scripts of this folder into a state directory under a name made from its content. Running instances outlive
 * upgrades of daruma, so an installed script is never overwritten: a new version is a new file beside it.
 */

import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
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

/** What starts and enters instances: each call makes sure that the script is there, and says where. */
export interface InstalledScripts {
  readonly keeper: () => string
  readonly enter: () => string
}

/**
 * The path of an installed script, which is looked at each time: one that was removed, replaced or changed under us is installed again.
 * That costs one stat(2).
 */
export function keepInstalled(options: Parameters<typeof installScript>[0]): () => string {
  const path = installScript(options)
  let known = lookOf(path)
  return () => {
    const now = lookOf(path)
    if (now !== null && now === known) return path
    installScript(options)
    known = lookOf(path)
    return path
  }
}

/** Changes with each change of the file, by whoever; null where there is none. */
function lookOf(path: string): string | null {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? null : `${stat.ino} ${stat.size} ${stat.ctimeNs}`
}

/** A file of this name with other content was cut short by a crash or changed by hand: it is replaced, by rename. */
function isInstalled(path: string, content: Buffer): boolean {
  try {
    return readFileSync(path).equals(content)
  } catch {
    return false
  }
}
