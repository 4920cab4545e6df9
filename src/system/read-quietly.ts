/** Files that may not be there, or not be ours to read: /proc above all. A caller that needs to know why a file cannot be read reads it itself. */

import { readFileSync, readdirSync, readlinkSync } from 'node:fs'

/** Empty when it cannot be read. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Empty when it cannot be read. */
export function readNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Empty when it cannot be read. */
export function readLink(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
