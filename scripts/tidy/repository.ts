/**
 * The rules held against this repository. The count is taken a second time by other means, so that a mistake in the walk, which would
 * make every rule pass, is itself a violation.
 */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeFiles, codeFolders, root } from '../tree.ts'
import { configuredRegistry, registryProblems, trackedTexts } from './registry.ts'
import { tidy, type Violation } from './rules.ts'
import { readSource } from './source.ts'

export interface Verdict {
  readonly sources: number
  readonly texts: number
  readonly violations: readonly Violation[]
}

export function tidyRepository(): Verdict {
  const sources = codeFiles().map((path) => readSource(path, readFileSync(join(root, path), 'utf8')))
  const texts = trackedTexts(root)
  const registry = configuredRegistry()
  return {
    sources: sources.length,
    texts: texts.size,
    violations: [
      ...tidy(sources),
      ...[...texts].flatMap(([path, text]) => registryProblems(path, text, registry)),
      ...blindness(sources.length, countOnDisk()),
      ...blindness(texts.size, sources.length),
    ],
  }
}

/** A violation if a guard saw fewer files than there are. */
export function blindness(seen: number, onDisk: number): readonly Violation[] {
  return seen >= onDisk && seen > 0 ? [] : [{ path: '.', message: `only ${seen} of ${onDisk} files were looked at` }]
}

function countOnDisk(): number {
  const found = globSync(
    codeFolders.map((folder) => `${folder}/**/*.{ts,tsx}`),
    { cwd: root },
  )
  return found.filter((path) => !path.endsWith('.d.ts') && !path.includes('node_modules/')).length
}
