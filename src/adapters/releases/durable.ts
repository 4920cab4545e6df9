/**
 * Making many files durable at once. One fsync(2) a file takes minutes for ten thousand; syncfs(2) writes them in the order in which
 * the disk likes it. Node has no call for it, so sync(1) is asked.
 */

import { spawnSync } from 'node:child_process'
import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** From here on one for all is cheaper, even where others have much to write on the same disk. */
const manyFiles = 32
const limitMs = 600_000

/** Returns when all of the files, which are on the file system of `directory`, are durable. */
export function makeDurable(directory: string, files: readonly string[]): void {
  if (files.length >= manyFiles && syncFileSystem(directory)) return
  for (const file of files) fsyncPath(file)
}

/** Everything on the file system of the directory. False where there is nobody to ask. */
export function syncFileSystem(directory: string): boolean {
  return spawnSync('sync', ['--file-system', directory], { stdio: 'ignore', timeout: limitMs }).status === 0
}

export function fsyncPath(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Whole or not at all, and durable. */
export function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.next`, text, { mode: 0o600, flush: true })
  renameSync(`${path}.next`, path)
  fsyncPath(dirname(path))
}
