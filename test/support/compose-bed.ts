/** Compose files in a folder of the test's own, and what `daruma import` makes of them. */

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { findCompose } from '../../src/compose/find.ts'
import { importFiles, type Imported } from '../../src/compose/import.ts'
import { renderProblems } from '../../src/core/config/render-problems.ts'

export function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'compose-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export function place(directory: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
}

interface ImportFromOptions {
  readonly files?: readonly string[]
  readonly profiles?: readonly string[]
}

export async function importFrom(directory: string, options: ImportFromOptions = {}): Promise<Imported> {
  const files = options.files ?? (await findCompose(directory))
  return importFiles({
    files,
    cwd: directory,
    directory,
    environment: {},
    profiles: options.profiles ?? [],
    hostMemoryBytes: 64 * 1024 ** 3,
    isRoot: true,
  })
}

export async function imported(
  directory: string,
  options: ImportFromOptions = {},
): Promise<Extract<Imported, { readonly ok: true }>> {
  const answer = await importFrom(directory, options)
  assert.ok(answer.ok, answer.ok ? '' : renderProblems(answer.problems))
  return answer
}
