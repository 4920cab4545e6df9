/**
 * A start makes no file that it could have had before: each slot keeps one epoch directory and one pipe that belong to no epoch yet, `spare`
 * and `spare.out`, and a start renames them into place. That is quick on a disk where making files is dear, and it works on one that has no
 * space or no inodes left, where what fell could else not get up again. What an ended epoch leaves becomes the next spare.
 */

import { existsSync, mkdirSync, renameSync, rmSync, statfsSync } from 'node:fs'

import { hasCode, isMissing } from '../system/errno.ts'

const spareOf = (slotDirectory: string): string => `${slotDirectory}/spare`
export const sparePipeOf = (slotDirectory: string): string => `${slotDirectory}/spare.out`

/** Makes an epoch's directory, with the files in it, where a start will need it. */
export interface EpochMaker {
  /** Fills an empty directory with files that have their space. */
  readonly fill: (directory: string) => void
  readonly pipe: (path: string) => void
}

/** Where the epoch's directory is to be; nothing is there yet. `former` are directories of epochs that have ended, the oldest first. */
export function placeEpochDirectory(
  slotDirectory: string,
  path: string,
  from: { readonly fill: EpochMaker['fill']; readonly former: () => readonly string[] },
): void {
  if (moveIfThere(spareOf(slotDirectory), path)) return
  // What is known of the oldest end is worth less than the service.
  const reuse = (): boolean => from.former().some((each) => moveIfThere(each, path))
  if (isScarce(slotDirectory) && reuse()) return
  try {
    makeWhole(path, from.fill)
  } catch (error) {
    const isFull = hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT')
    if (!isFull || !reuse()) throw error
  }
}

/** Makes what is missing. Throws what the disk says, ENOSPC too, and leaves nothing half-made; so where little is left. */
export function ensureSpare(slotDirectory: string, make: EpochMaker): void {
  // First, because it needs an inode and no space.
  if (!existsSync(sparePipeOf(slotDirectory))) make.pipe(sparePipeOf(slotDirectory))
  if (existsSync(spareOf(slotDirectory))) return
  if (isScarce(slotDirectory)) throw Object.assign(new Error('ENOSPC: few inodes are left'), { code: 'ENOSPC' })
  makeWhole(spareOf(slotDirectory), make.fill)
}

/** The last inodes are for pipes, without which nothing starts; directories can be used again. Some file systems do not count them. */
function isScarce(directory: string): boolean {
  const { files, ffree } = statfsSync(directory)
  return files > 0 && ffree < scarceInodes
}

const scarceInodes = 200

function makeWhole(path: string, fill: EpochMaker['fill']): void {
  mkdirSync(path, { mode: 0o700 })
  try {
    fill(path)
  } catch (error) {
    rmSync(path, { recursive: true, force: true })
    throw error
  }
}

/** Of an epoch that has ended or never began: its directory is the next spare, or goes. */
export function retireEpochDirectory(slotDirectory: string, path: string): void {
  if (!existsSync(spareOf(slotDirectory)) && moveIfThere(path, spareOf(slotDirectory))) return
  rmSync(path, { recursive: true, force: true })
}

export function moveIfThere(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}
