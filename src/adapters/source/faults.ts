/** What is wrong with a folder: all of it is told, as far as a person would read. */

import type { BigIntStats } from 'node:fs'
import type { SourceAnswer, SourceFault } from '../../ports/runtime/source.ts'

const mostShown = 10

/** Where most of what is too much lies; `.`: nowhere in particular. */
export interface Crowd {
  readonly folder: string
  readonly count: number
}

export class Faults {
  readonly #faults: SourceFault[] = []

  get any(): boolean {
    return this.#faults.length > 0
  }

  /** More would not be read by anybody. */
  get isFull(): boolean {
    return this.#faults.length >= mostShown
  }

  /** `message` goes on after the path. */
  add(code: string, path: string, message: string): void {
    if (!this.isFull) this.#faults.push({ code, message: `${showPath(path)} ${message}`, allowed: allowedBy[code] ?? null })
  }

  unreadable(path: string, error: unknown): void {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    this.add(
      'E_SOURCE_UNREADABLE',
      path,
      code === 'EACCES' || code === 'EPERM' ? 'cannot be read: permission denied' : `cannot be read: ${code}`,
    )
  }

  tooMany(most: number, { folder, count }: Crowd): void {
    const where = folder === '.' ? '' : `, ${count} of them in ${showPath(folder)}`
    this.#faults.push({
      code: 'E_SOURCE_TOO_LARGE',
      message: `the folder has more than ${most} files${where}`,
      allowed: 'a folder of the program alone; what it does not need is ignored by .darumaignore or `ignore`',
    })
  }

  missing(message: string): SourceAnswer {
    return { faults: [{ code: 'E_SOURCE_MISSING', message, allowed: 'a folder that is there' }] }
  }

  answer(): SourceAnswer {
    return { faults: this.#faults }
  }
}

const orIgnored = 'or ignore it: a line in .darumaignore, or `ignore`'

const allowedBy: Readonly<Record<string, string>> = {
  E_SOURCE_KIND: `files, links and folders; move it out of the folder, ${orIgnored}`,
  E_SOURCE_NAME: `names in UTF-8; rename it, ${orIgnored} of its folder`,
  E_SOURCE_LINK: `relative links that stay in the folder; ${orIgnored}`,
  E_SOURCE_UNREADABLE: `files that you may read; ${orIgnored}`,
  E_SOURCE_CHANGING: `files that are not being written, ${orIgnored}`,
}

export function explainKind(found: BigIntStats): string {
  if (found.isSocket()) return 'a socket'
  if (found.isFIFO()) return 'a pipe'
  return found.isBlockDevice() || found.isCharacterDevice() ? 'a device' : 'neither a file nor a link nor a folder'
}

const showPath = (path: string): string => (/[\p{Cc}]/u.test(path) ? JSON.stringify(path) : path)
