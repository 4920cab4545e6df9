/** Which file is the config: the one that was named, or the nearest with a usual name in the folder and those above it. */

import { access, constants, open, readdir, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { nearest } from '../../core/values/nearest.ts'
import type { Problem } from '../../core/values/problem.ts'

export const configNames: readonly string[] = ['daruma.config.ts', 'daruma.config.mts', 'daruma.config.js', 'daruma.config.mjs']
const extensions: readonly string[] = ['.ts', '.mts', '.js', '.mjs']

export type Found =
  | { readonly ok: true; readonly file: string }
  | { readonly ok: false; readonly file: string | null; readonly problem: Problem }

export async function findConfig(options: { readonly file: string | null; readonly cwd: string }): Promise<Found> {
  return options.file === null ? findIn(resolve(options.cwd)) : findNamed(resolve(options.cwd, options.file))
}

async function findIn(directory: string): Promise<Found> {
  for (let folder = directory; ; folder = dirname(folder)) {
    const file = await configIn(folder)
    if (file !== null) return asReadable(file)
    if (folder === dirname(folder)) break
  }
  const allowed = `${configNames[0]} (or .mts, .js, .mjs); daruma init writes one, --file names another`
  return refuse('E_CONFIG_MISSING', null, `there is no ${configNames[0]} in ${directory} or above`, { allowed, suggestion: null })
}

async function configIn(directory: string): Promise<string | null> {
  for (const name of configNames) {
    const file = join(directory, name)
    const kind = await kindAt(file)
    // One that cannot be looked at is this folder's config all the same: what stands in a folder above is another one.
    if (kind === 'file' || kind === 'EACCES') return file
  }
  return null
}

async function findNamed(file: string): Promise<Found> {
  const kind = await kindAt(file)
  if (kind === 'directory') {
    return refuse('E_CONFIG_IS_DIRECTORY', file, `${file} is a directory`, {
      allowed: 'a file',
      suggestion: await configIn(file),
    })
  }
  if (kind === 'missing') {
    const near = nearest(basename(file), await namesBeside(file))
    const suggestion = near === null ? null : join(dirname(file), near)
    return refuse('E_CONFIG_MISSING', file, `there is no file ${file}`, { allowed: null, suggestion })
  }
  if (kind !== 'file')
    return refuse('E_CONFIG_UNREADABLE', file, `${file} cannot be read: ${kind}`, { allowed: 'a file', suggestion: null })
  if (extensions.includes(extname(file))) return asReadable(file)
  return refuse('E_CONFIG_FORMAT', file, `${file} is not TypeScript or JavaScript by its name`, {
    allowed: otherFormats[extname(file)] ?? extensions.join(', '),
    suggestion: null,
  })
}

/** What people bring from elsewhere, and the way from there. */
const otherFormats: Readonly<Record<string, string>> = {
  '.json': 'a .ts file with the same content behind `export default`: TypeScript contains JSON',
  '.yaml': 'a Compose file becomes a config by: daruma import FILE',
  '.yml': 'a Compose file becomes a config by: daruma import FILE',
}

/** Its first byte is read: an access list or a network file system may refuse what the mode allows. */
async function asReadable(file: string): Promise<Found> {
  try {
    await access(file, constants.R_OK)
    await using opened = await open(file, 'r')
    await opened.read(Buffer.alloc(1), 0, 1, 0)
    return { ok: true, file }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'EACCES' ? 'permission denied' : String(code)
    return refuse('E_CONFIG_UNREADABLE', file, `${file} cannot be read: ${why}`, {
      allowed: 'a file that the user who runs `daruma` may read (see its mode, and those of the folders above it)',
      suggestion: null,
    })
  }
}

async function kindAt(file: string): Promise<string> {
  try {
    const found = await stat(file)
    return found.isFile() ? 'file' : found.isDirectory() ? 'directory' : 'not a regular file'
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : String(code)
  }
}

async function namesBeside(file: string): Promise<readonly string[]> {
  try {
    return (await readdir(dirname(file))).filter((name) => extensions.includes(extname(name))).slice(0, 1000)
  } catch {
    return []
  }
}

function refuse(
  code: string,
  file: string | null,
  message: string,
  help: { readonly allowed: string | null; readonly suggestion: string | null },
): Found {
  return { ok: false, file, problem: { code, path: [], message, ...help } }
}
