/** The collector runs from where this Daruma is installed: it may be replaced at any moment, unlike what outlives an upgrade. */

import { createHash } from 'node:crypto'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { readText } from '../../system/read-quietly.ts'

export const collectorProgram: string = fileURLToPath(
  new URL(`../../host/log-collector${extname(import.meta.url)}`, import.meta.url),
)

/** Of a program and all of ours that it imports: another version has another one. 16 hex digits. */
export function digestOf(program: string): string {
  const seen = new Set([program])
  const digest = createHash('sha256')
  for (const path of seen) {
    const source = readText(path)
    digest.update(`${source}\0`)
    for (const [, specifier = ''] of source.matchAll(/\bfrom '(\.[^']*)'/g)) seen.add(join(dirname(path), specifier))
  }
  return digest.digest('hex').slice(0, 16)
}

export const collectorDigest: string = digestOf(collectorProgram)
