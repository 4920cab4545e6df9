/**
 * Where a directory is, as the kernel tells: enough to tell it from every copy. Inode and birth time are kept by a move and changed by
 * a copy of files, but a copy of the whole file system keeps both; those two differ by the device. Devices are renumbered with each
 * boot, so a device means something only together with the boot.
 */

import { readFileSync, realpathSync, statSync } from 'node:fs'

import { observeBootId } from '../../system/process-stat.ts'
import { readText } from '../../system/read-quietly.ts'

export interface Place {
  readonly machineId: string
  readonly bootId: string
  /** `major:minor` of its file system. */
  readonly device: string
  readonly inode: string
  /** In ns. */
  readonly birth: string
  /** Without symbolic links. */
  readonly path: string
}

export function observePlace(path: string): Place {
  const { dev, ino, birthtimeNs } = statSync(path, { bigint: true })
  return {
    machineId: readMachineId(),
    bootId: observeBootId(),
    device: renderDevice(dev),
    inode: String(ino),
    birth: String(birthtimeNs),
    path: realpathSync(path),
  }
}

/** Null when there is nothing (any more), or nothing that can be looked at. */
export function observePlaceQuietly(path: string): Place | null {
  try {
    return observePlace(path)
  } catch {
    return null
  }
}

/** The very same directory, and not a copy; asked within one boot. */
export const isSameDirectory = (one: Pick<Place, 'device' | 'inode' | 'birth'>, other: typeof one): boolean =>
  one.device === other.device && one.inode === other.inode && one.birth === other.birth

/** Whether a file system of this number is mounted where we can see it. */
export const isMounted = (device: string): boolean =>
  readText('/proc/self/mountinfo')
    .split('\n')
    .some((line) => line.split(' ')[2] === device)

/** As the kernel writes it in /proc/self/mountinfo; the bits are those of gnu_dev_major(3). */
function renderDevice(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n)
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)
  return `${major}:${minor}`
}

function readMachineId(): string {
  for (const file of ['/etc/machine-id', '/var/lib/dbus/machine-id']) {
    try {
      const text = readFileSync(file, 'utf8').trim()
      if (text !== '') return text
    } catch {
      // Containers often have none; the next source, or none, serves.
    }
  }
  return 'unknown'
}
