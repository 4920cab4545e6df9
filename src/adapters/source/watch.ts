/**
 * Tells when files of folders change, by inotify and by the ignore rules of releases: what is ignored, `node_modules` as a rule, is not even
 * looked at. A watch is of one folder, not of what is below it, so each folder has its own; one is watched before it is read, so that nothing
 * falls between the two.
 */

import { existsSync, type FSWatcher, lstatSync, readdirSync, realpathSync, watch } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'

import type { SourceWatchOptions, SourceWatched, WatchLimit } from '../../ports/runtime/source.ts'
import { IgnoreRules } from './ignore-rules.ts'

/** The kernel's default bound for one user was 8192 for long (inotify(7), max_user_watches). */
const mostFolders = 5000
/** Editors and compilers write several files, and a file several times. */
const quietMs = 150
const longestQuietMs = 2000

/** inotify_add_watch(2) and inotify_init(2): what each error says is used up. */
const kernelLimits: ReadonlyMap<string | undefined, string> = new Map([
  ['ENOSPC', 'fs.inotify.max_user_watches'],
  ['EMFILE', 'fs.inotify.max_user_instances'],
])

const ignoreFiles = ['.gitignore', '.darumaignore']

export function watchSources({ folders, files, except, onChange, onLimit }: SourceWatchOptions): Disposable {
  const batch = new Batch(onChange)
  const budget = { left: mostFolders }
  let isToldOfLimit = false
  const tooMany = (limit: WatchLimit): void => {
    if (!isToldOfLimit) onLimit(limit)
    isToldOfLimit = true
  }
  const roots = folders.map((folder) => new RootWatch(folder, except, { batch, budget, tooMany }))
  const named = files.map((file) => new NameWatch(file, () => batch.add(file)))
  return {
    [Symbol.dispose]() {
      for (const each of [...roots, ...named]) each.close()
      batch.flush()
    },
  }
}

/** Changes that come together are told together. */
class Batch {
  readonly #onChange: (paths: readonly string[]) => void
  readonly #paths = new Set<string>()
  #timer: NodeJS.Timeout | null = null
  #firstMs = 0

  constructor(onChange: (paths: readonly string[]) => void) {
    this.#onChange = onChange
  }

  add(path: string): void {
    const nowMs = performance.now()
    if (this.#paths.size === 0) this.#firstMs = nowMs
    this.#paths.add(path)
    if (this.#timer !== null) clearTimeout(this.#timer)
    const waitMs = Math.max(0, Math.min(quietMs, this.#firstMs + longestQuietMs - nowMs))
    this.#timer = setTimeout(() => this.flush(), waitMs)
  }

  /** What has been noted is told, also when the watching ends here. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const paths = [...this.#paths]
    this.#paths.clear()
    if (paths.length > 0) this.#onChange(paths)
  }
}

/**
 * One path, from the outside: a file that an editor puts another in the place of, a folder that a compiler removes and makes again. What is
 * watched is the nearest folder above it that is there.
 */
class NameWatch {
  readonly #path: string
  readonly #onChange: (event: string) => void
  #watcher: FSWatcher | null = null
  #isClosed = false

  /** `rename`: it may be another now, or gone. */
  constructor(path: string, onChange: (event: string) => void) {
    this.#path = path
    this.#onChange = onChange
    this.#begin()
  }

  close(): void {
    this.#isClosed = true
    this.#watcher?.close()
  }

  #begin(): void {
    const before = this.#watcher
    let folder = dirname(this.#path)
    while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder)
    const next = relative(folder, this.#path).split('/')[0] ?? ''
    try {
      this.#watcher = watch(folder, (event, name) => {
        if (name === next || name === basename(folder)) this.#note(event)
      })
      this.#watcher.on('error', () => undefined)
    } catch {
      // Removed at this moment, or one watch too many: then only its own content tells of it.
      this.#watcher = null
    }
    before?.close()
    // Made after the look and before the watch.
    if (folder !== dirname(this.#path) && existsSync(join(folder, next))) this.#begin()
  }

  /** A folder above may have come, or gone. */
  #note(event: string): void {
    if (this.#isClosed) return
    if (event === 'rename') this.#begin()
    this.#onChange(event)
  }
}

interface Shared {
  readonly batch: Batch
  readonly budget: { left: number }
  readonly tooMany: (limit: WatchLimit) => void
}

class RootWatch {
  readonly #options: SourceWatched
  readonly #except: ReadonlySet<string>
  readonly #shared: Shared
  /** By the path from the root; the root itself is empty. */
  readonly #watchers = new Map<string, FSWatcher>()
  readonly #own: NameWatch
  #folder = ''
  #rules: IgnoreRules | null = null

  constructor(options: SourceWatched, except: readonly string[], shared: Shared) {
    this.#options = options
    this.#except = new Set(except)
    this.#shared = shared
    this.#own = new NameWatch(options.folder, (event) => {
      if (event === 'rename') this.#noteOwn()
    })
    this.#begin()
  }

  close(): void {
    this.#own.close()
    this.#end()
  }

  #end(): void {
    for (const path of this.#watchers.keys()) this.#unwatch(path)
  }

  #begin(): void {
    if (this.#readRules()) this.#watchFrom('')
  }

  /** False where the folder is not there: the config's own reader says so. */
  #readRules(): boolean {
    const { folder, root, ignore } = this.#options
    try {
      this.#folder = realpathSync(folder)
      this.#rules = new IgnoreRules({ folder: this.#folder, root: realpathSync(root), ignore })
      return true
    } catch {
      return false
    }
  }

  /** It is another folder now, or none: who reads it next says so. */
  #noteOwn(): void {
    this.#end()
    this.#begin()
    this.#shared.batch.add(this.#options.folder)
  }

  #watchFrom(path: string): void {
    this.#walk(path, (each) => this.#watch(each))
  }

  /** The folder and all below it that the rules let through and `mayEnter` does; gives them back. */
  #walk(path: string, mayEnter: (path: string) => boolean): ReadonlySet<string> {
    const entered = new Set<string>()
    const waiting = [path]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (!mayEnter(next)) continue
      entered.add(next)
      for (const name of this.#enter(next)) {
        const below = next === '' ? name : `${next}/${name}`
        if (isDirectory(join(this.#folder, below)) && !this.#isLeftOut(below, true)) waiting.push(below)
      }
    }
    return entered
  }

  #watch(path: string): boolean {
    if (this.#watchers.has(path)) return true
    if (this.#shared.budget.left === 0) {
      this.#shared.tooMany({ kind: 'folders', most: mostFolders })
      return false
    }
    try {
      const watcher = watch(join(this.#folder, path), (event, name) => this.#note(event, path, name))
      // It has gone, and is told of by the folder above.
      watcher.on('error', () => this.#unwatch(path))
      this.#watchers.set(path, watcher)
      this.#shared.budget.left -= 1
      return true
    } catch (error) {
      const setting = kernelLimits.get((error as NodeJS.ErrnoException).code)
      if (setting !== undefined) this.#shared.tooMany({ kind: 'kernel', setting })
      return false
    }
  }

  #enter(path: string): readonly string[] {
    try {
      const names = readdirSync(join(this.#folder, path))
      this.#rules?.enter(path, names)
      return names
    } catch {
      return []
    }
  }

  #note(event: string, above: string, name: string | null): void {
    if (name === null || !this.#watchers.has(above)) return
    const path = above === '' ? name : `${above}/${name}`
    const whole = join(this.#folder, path)
    if (ignoreFiles.includes(name)) this.#renewRules()
    else if (this.#isLeftOut(path, isDirectory(whole) || this.#watchers.has(path))) return
    else if (event === 'rename') {
      // Removed and made again, it may have the same inode; a watch goes with the folder that was.
      this.#forgetBelow(path)
      if (isDirectory(whole)) this.#watchFrom(path)
    }
    this.#shared.batch.add(whole)
  }

  /**
   * Other folders count from now on. Those that still do keep their watchers: with a watcher go the events that wait behind this one. Those
   * that do not count any more make room for the new ones first.
   */
  #renewRules(): void {
    if (!this.#readRules()) return
    const kept = this.#walk('', (path) => this.#watchers.has(path))
    for (const path of this.#watchers.keys()) if (!kept.has(path)) this.#unwatch(path)
    this.#watchFrom('')
  }

  #forgetBelow(path: string): void {
    for (const watched of this.#watchers.keys()) if (watched === path || watched.startsWith(`${path}/`)) this.#unwatch(watched)
  }

  #unwatch(path: string): void {
    const watched = this.#watchers.get(path)
    if (watched === undefined) return
    this.#watchers.delete(path)
    this.#shared.budget.left += 1
    watched.close()
  }

  #isLeftOut(path: string, isFolder: boolean): boolean {
    const whole = join(this.#folder, path)
    const isOut = [...this.#except].some((each) => relative(each, whole) === '')
    return isOut || path === '.git' || path.endsWith('/.git') || (this.#rules?.isIgnored(path, isFolder) ?? true)
  }
}

/** Not one that a link leads to: as in a release. What cannot be looked at, because a folder above is a file by now, is none. */
function isDirectory(path: string): boolean {
  try {
    return lstatSync(path).isDirectory()
  } catch {
    return false
  }
}
