/**
 * Which test files are unit tests: those that start no process, neither themselves nor by what they load. Nothing has to be installed for
 * them, they need not be root, and they leave nothing behind. It is read off their imports, so that no list has to be kept.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readSource, resolveImport, type Source } from './tidy/source.ts'
import { codeFiles, root } from './tree.ts'

/** Processes and threads of one's own, browsers, and addresses of this machine that somebody else may have. */
const outside = /^(?:node:child_process|node:worker_threads|node:ffi|playwright-core)$/

export function unitTests(): readonly string[] {
  const sources = new Map(codeFiles().map((path) => [path, readSource(path, readFileSync(join(root, path), 'utf8'))]))
  return [...sources.keys()].filter((path) => path.endsWith('.test.ts') && findOutside(path, sources) === null)
}

/** The first thing outside that the file reaches when it is loaded, with the file that imports it; null when there is none. */
export function findOutside(path: string, sources: ReadonlyMap<string, Source>): string | null {
  const seen = new Set([path])
  for (const current of seen) {
    for (const { specifier, isTypeOnly, isLazy } of sources.get(current)?.imports ?? []) {
      if (isTypeOnly || isLazy) continue
      const target = resolveImport(current, specifier)
      if (target !== null && sources.has(target)) seen.add(target)
      else if (outside.test(specifier)) return `${specifier} in ${current}`
    }
  }
  return null
}
