/**
 * Which files of a folder are left out: git's rules (gitignore(5)) by the `ignore` package, from the `.gitignore` and `.darumaignore` files
 * of the config's folder down to that of each file, and last by the config's own. The package knows one file at one root; so each
 * pattern is rewritten as if it stood there, in the order in which git would let the later outweigh the earlier.
 */

import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import ignore, { type Ignore } from 'ignore'

/** In one folder the second has the last word. */
const files = ['.gitignore', '.darumaignore']

interface Scope {
  /** From the root, without the config's own. */
  readonly patterns: readonly string[]
  readonly rules: Ignore
}

export class IgnoreRules {
  readonly #folder: string
  /** From the root of the rules to the folder: empty, or with a slash at its end. */
  readonly #base: string
  readonly #own: readonly string[]
  /** By folder; one without an ignore file shares the scope of the one above. */
  readonly #scopes = new Map<string, Scope>()
  readonly #outer: Scope

  constructor(options: { readonly folder: string; readonly root: string; readonly ignore: readonly string[] }) {
    const { folder, root } = options
    this.#folder = folder
    const way = relative(root, folder)
    const segments = way === '' || way === '..' || way.startsWith('../') ? [] : way.split('/')
    this.#base = segments.map((segment) => `${segment}/`).join('')
    this.#own = options.ignore.flatMap((pattern) => rewrite(pattern, this.#base))
    const above = segments.flatMap((_segment, index) => {
      const between = segments.slice(0, index)
      return readPatterns(join(root, ...between), between.map((segment) => `${segment}/`).join(''))
    })
    // Whoever names an ignored folder as a source (`dist`, say) means what is in it.
    const named = segments.map(
      (_segment, index) =>
        `!/${segments
          .slice(0, index + 1)
          .map(escape)
          .join('/')}/`,
    )
    this.#outer = this.#scope([...above, ...named])
  }

  /** Must be called for a folder before anything in it is asked for; `names` is what is in it. */
  enter(folder: string, names: readonly string[]): void {
    const above = folder === '' ? this.#outer : (this.#scopes.get(parentOf(folder)) ?? this.#outer)
    const isOwn = names.some((name) => files.includes(name))
    const prefix = folder === '' ? this.#base : `${this.#base}${folder}/`
    this.#scopes.set(
      folder,
      isOwn ? this.#scope([...above.patterns, ...readPatterns(join(this.#folder, folder), prefix)]) : above,
    )
  }

  isIgnored(path: string, isFolder: boolean): boolean {
    const { rules } = this.#scopes.get(parentOf(path)) ?? this.#outer
    return rules.ignores(`${this.#base}${path}${isFolder ? '/' : ''}`)
  }

  #scope(patterns: readonly string[]): Scope {
    return { patterns, rules: ignore({ ignorecase: false }).add([...patterns, ...this.#own]) }
  }
}

function readPatterns(folder: string, prefix: string): readonly string[] {
  return files.flatMap((name) => {
    try {
      const text = readFileSync(join(folder, name), 'utf8').replace(/^\uFEFF/, '')
      return text.split(/\r?\n/).flatMap((line) => rewrite(line, prefix))
    } catch {
      return []
    }
  })
}

/** A pattern with a slash before its end is for its own folder, any other for whatever is below (gitignore(5)). */
function rewrite(line: string, prefix: string): readonly string[] {
  if (line.trim() === '' || line.startsWith('#')) return []
  if (prefix === '') return [line]
  const isException = line.startsWith('!')
  const pattern = isException ? line.slice(1) : line
  const isAnchored = pattern.trimEnd().replace(/\/$/, '').includes('/')
  const folder = escape(prefix)
  return [`${isException ? '!' : ''}/${folder}${isAnchored ? pattern.replace(/^\//, '') : `**/${pattern}`}`]
}

const escape = (path: string): string => path.replaceAll(/[\\*?[\]!# ]/g, '\\$&')

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))
