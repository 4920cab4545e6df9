/**
 * Syncs of files that end when the test says so. What a newcomer would get wrong: anything that has taken `fdatasync` from `node:fs` before
 * this was loaded keeps the real one, so that a test loads what it tries only afterwards (`await import`).
 */

import fs, { readlinkSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { until } from '../processes.ts'

interface HeldSync {
  readonly path: string
  /** Now it is carried out, or fails. */
  readonly letGo: (error?: Error) => void
}

const held: HeldSync[] = []
let heldPath: string | null = null

/** The next sync of this file or folder is held. Resolves when somebody asks for it. */
export async function holdSync(path: string): Promise<HeldSync> {
  heldPath = path
  return until(`a sync of ${path}`, 10_000, () => held.find((sync) => sync.path === path) ?? null)
}

type Sync = (descriptor: number, done: (error: NodeJS.ErrnoException | null) => void) => void

const holding =
  (sync: Sync): Sync =>
  (descriptor, done) => {
    const path = readlinkSync(`/proc/self/fd/${descriptor}`)
    if (path !== heldPath) return sync(descriptor, done)
    heldPath = null
    const letGo = (error?: Error): void => {
      held.splice(held.indexOf(one), 1)
      if (error === undefined) sync(descriptor, done)
      else done(error)
    }
    const one: HeldSync = { path, letGo }
    held.push(one)
  }

const patched = fs as { -readonly [Name in 'fdatasync' | 'fsync']: Sync }
patched.fdatasync = holding(fs.fdatasync)
patched.fsync = holding(fs.fsync)
syncBuiltinESMExports()
