/** A file is the old or the new one, whole, for anything that reads it at any instant. */

import { randomBytes } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'

/** Writes nothing where the file has the text already. */
export async function writeAtomically(path: string, text: string, mode: number): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => null)) === text) return
  const temporary = `${path}.${randomBytes(4).toString('hex')}.new`
  try {
    await writeFile(temporary, text, { mode, flag: 'wx' })
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
