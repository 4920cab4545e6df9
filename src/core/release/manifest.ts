/**
 * A release as a list: every file, link and empty folder of a source, in one canonical text whose SHA-256 is the release's digest.
 * What is not in here (owner, group, times, all of the mode but "may be executed") cannot change a digest, so the same files give the
 * same release wherever they are read, and by whom.
 */

export type ManifestEntry =
  | {
      readonly kind: 'file'
      /** From the root of the source, with `/`; never `.`, `..` or empty segments. */
      readonly path: string
      readonly isExecutable: boolean
      /** In bytes. */
      readonly size: number
      /** Lower-case hex. */
      readonly sha256: string
    }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  /** A folder with nothing in it; the others follow from the paths. */
  | { readonly kind: 'folder'; readonly path: string }

/** In the order of their paths, by UTF-16 code unit. */
export interface Manifest {
  readonly entries: readonly ManifestEntry[]
}

export type FileEntry = Extract<ManifestEntry, { readonly kind: 'file' }>

/** Beyond these a folder was named by mistake, such as a home directory; the manifest also travels as one message. */
export const mostEntries: number = 250_000
const longestPath = 4096

const firstLine = 'daruma release 1'

const byPath = (left: ManifestEntry, right: ManifestEntry): number =>
  left.path < right.path ? -1 : left.path > right.path ? 1 : 0

export function makeManifest(entries: readonly ManifestEntry[]): Manifest {
  return { entries: entries.toSorted(byPath) }
}

/** The text that is hashed, stored and sent: one line of JSON for each entry, about 120 bytes a file. */
export function renderManifest({ entries }: Manifest): string {
  const lines = entries.map((entry) => JSON.stringify(wordsOf(entry)))
  return `${[firstLine, ...lines].join('\n')}\n`
}

function wordsOf(entry: ManifestEntry): readonly (string | number)[] {
  if (entry.kind === 'folder') return ['folder', entry.path]
  if (entry.kind === 'link') return ['link', entry.path, entry.target]
  return ['file', entry.path, entry.isExecutable ? 'x' : '-', entry.size, entry.sha256]
}

export type ParsedManifest = { readonly manifest: Manifest } | { readonly fault: string }

/** Reads what {@link renderManifest} wrote. Whatever could lead out of a tree, or could not be made, is refused as a sentence. */
export function parseManifest(text: string): ParsedManifest {
  const lines = text.split('\n')
  if (lines[0] !== firstLine) return { fault: `does not begin with "${firstLine}"` }
  if (lines.pop() !== '') return { fault: 'ends early' }
  if (lines.length - 1 > mostEntries) return { fault: `has more than ${mostEntries} entries` }
  const entries: ManifestEntry[] = []
  // What cannot have anything below it.
  const closed = new Set<string>()
  let last = ''
  for (const line of lines.slice(1)) {
    const entry = parseEntry(line)
    if (entry === null) return { fault: `has a line that is no entry: ${line.slice(0, 80)}` }
    if (!isSafePath(entry.path)) return { fault: `has a path that cannot be used: ${JSON.stringify(entry.path.slice(0, 80))}` }
    if (entry.path <= last) return { fault: `is not in order at ${JSON.stringify(entry.path.slice(0, 80))}` }
    last = entry.path
    closed.add(entry.path)
    entries.push(entry)
  }
  // A path may sort before what it is below (`a-b` before `a/b`), so each is held against all.
  const below = entries.find(({ path }) => ancestorsOf(path).some((above) => closed.has(above)))
  if (below === undefined) return { manifest: { entries } }
  return { fault: `has something below what is no folder: ${JSON.stringify(below.path.slice(0, 80))}` }
}

function parseEntry(line: string): ManifestEntry | null {
  let words: unknown
  try {
    words = JSON.parse(line)
  } catch {
    return null
  }
  if (!Array.isArray(words)) return null
  const [kind, path, third, size, sha256] = words as unknown[]
  if (typeof path !== 'string') return null
  if (kind === 'folder' && words.length === 2) return { kind, path }
  if (kind === 'link' && words.length === 3) return isLinkTarget(third) ? { kind, path, target: third } : null
  if (kind !== 'file' || words.length !== 5 || (third !== 'x' && third !== '-')) return null
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return null
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) return null
  return { kind, path, isExecutable: third === 'x', size, sha256 }
}

const isLinkTarget = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= longestPath && !value.includes('\0')

function isSafePath(path: string): boolean {
  if (path === '' || path.length > longestPath || path.includes('\0') || !path.isWellFormed()) return false
  return path.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..')
}

/** `a/b/c` → `a/b`, `a`. */
export function ancestorsOf(path: string): readonly string[] {
  const found: string[] = []
  for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1)) found.push(path.slice(0, cut))
  return found
}

export const filesOf = ({ entries }: Manifest): readonly FileEntry[] => entries.filter((entry) => entry.kind === 'file')
