/**
 * The page's own files, read whole once while the page is open: what is asked for is a name in a map and never a path of the disk. Each
 * is kept compressed as well, because a page is often looked at through an SSH tunnel.
 */

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join, relative, sep } from 'node:path'
import { gzipSync } from 'node:zlib'
import { DarumaError } from '../../ports/error.ts'

export interface PageFile {
  readonly contentType: string
  readonly plain: Buffer
  readonly gzip: Buffer
  readonly tag: string
  /** Its name changes with its content. */
  readonly isImmutable: boolean
}

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** By the path of the URL. Throws `E_PAGE_MISSING` where the page was not built. */
export function readPageFiles(folder: string): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>()
  for (const path of listFiles(folder)) {
    const contentType = contentTypes[extname(path)]
    if (contentType === undefined) continue
    const plain = readFileSync(path)
    const name = `/${relative(folder, path).split(sep).join('/')}`
    files.set(name, {
      contentType,
      plain,
      gzip: gzipSync(plain, { level: 9 }),
      tag: `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
      isImmutable: name.startsWith('/assets/'),
    })
  }
  const index = files.get('/index.html')
  if (index === undefined) {
    throw new DarumaError('E_PAGE_MISSING', `The page is not in this installation: ${join(folder, 'index.html')} is missing.`, {
      hint: 'In a clone, `npm run build` makes it; a package from npm has it: reinstall it.',
    })
  }
  files.set('/', index)
  return files
}

function listFiles(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
