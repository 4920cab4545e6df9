/**
 * A disk that can hang: an ext4 file system on a loop device, frozen by fsfreeze(8). Who writes to it then waits in an uninterruptible call,
 * and SIGKILL has no effect before it is thawed. A frozen disk cannot be unmounted either, so it is thawed first, whatever happens.
 */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export interface FrozenDisk {
  /** Where it is mounted. */
  readonly path: string
  freeze(): void
  thaw(): void
}

/** Null where this machine has no loop devices. To be asked for before what uses it: its hooks thaw first, and `remove` comes last. */
export function makeDisk(t: TestContext): (FrozenDisk & { readonly remove: () => void }) | null {
  const folder = mkdtempSync(join(tmpdir(), 'daruma-disk-'))
  const image = join(folder, 'image')
  const path = join(folder, 'disk')
  const run = (file: string, ...words: readonly string[]): string => {
    const { status, stderr, error } = spawnSync(file, words, { encoding: 'utf8' })
    return error === undefined && status === 0 ? '' : `${file}: ${stderr ?? String(error)}`
  }
  const must = (file: string, ...words: readonly string[]): void => {
    const trouble = run(file, ...words)
    if (trouble !== '') throw new Error(trouble)
  }
  let isFrozen = false
  const thaw = (): void => {
    if (isFrozen) must('fsfreeze', '--unfreeze', path)
    isFrozen = false
  }
  t.after(thaw)
  const remove = (): void => {
    thaw()
    run('umount', path)
    rmSync(folder, { recursive: true, force: true })
  }
  mkdirSync(path)
  const trouble = [
    () => run('truncate', '-s', '8M', image),
    () => run('mkfs.ext4', '-q', image),
    () => run('mount', '-o', 'loop', image, path),
  ].find((step) => step() !== '')
  if (trouble !== undefined) {
    remove()
    return null
  }
  return {
    path,
    freeze: () => {
      must('fsfreeze', '--freeze', path)
      isFrozen = true
    },
    thaw,
    remove,
  }
}
