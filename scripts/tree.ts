/**
 * The files of this repository, as the scripts see them. `node_modules`, `dist` and hidden folders are never entered. Every guard
 * counts what it saw with {@link filesBelow}: a guard that looked at nothing would otherwise say that all is well.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

export const root: string = join(import.meta.dirname, '..')

/** Paths relative to {@link root}, sorted, of the files below `folder` (itself relative) whose name passes. A missing folder has none. */
export function filesBelow(folder: string, isWanted: (name: string) => boolean): readonly string[] {
  const found: string[] = []
  visit(folder)
  return found.toSorted()

  function visit(at: string): void {
    for (const entry of entriesOf(at)) {
      const path = join(at, entry.name)
      if (entry.isDirectory()) {
        if (!entry.name.startsWith('.') && entry.name !== 'node_modules' && entry.name !== 'dist') visit(path)
      } else if (entry.isFile() && isWanted(entry.name)) found.push(path)
    }
  }
}

/** The folders that hold this project's own TypeScript. */
export const codeFolders: readonly string[] = ['src', 'test', 'scripts', 'bench', 'examples']

/** Every TypeScript file of the project, declarations aside. */
export function codeFiles(): readonly string[] {
  return codeFolders.flatMap((folder) => filesBelow(folder, (name) => /\.tsx?$/.test(name) && !name.endsWith('.d.ts')))
}

function entriesOf(folder: string) {
  try {
    return readdirSync(join(root, folder), { withFileTypes: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
