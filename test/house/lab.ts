/** A small repository in a temporary folder with this one's own settings, in which the guards are shown files that break their rules. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { hangLimit } from '../hang-limit.ts'
import { root } from '../../scripts/tree.ts'

export interface Lab extends Disposable {
  readonly folder: string
  write(files: Readonly<Record<string, string>>): void
  /** Runs one of this repository's tools there with our own Node. */
  run(script: string, options: readonly string[]): { readonly code: number | null; readonly output: string }
}

/** `settings` are copied from the root under the same names. */
export function openLab(settings: readonly string[]): Lab {
  const folder = mkdtempSync(join(tmpdir(), 'daruma-house-'))
  for (const name of settings) cpSync(join(root, name), join(folder, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return {
    folder,
    write(files) {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, path)), { recursive: true })
        writeFileSync(join(folder, path), text)
      }
    },
    run(script, options) {
      const env = { ...process.env, NO_COLOR: '1' }
      const result = spawnSync(process.execPath, [join(folder, script), ...options], {
        cwd: folder,
        encoding: 'utf8',
        env,
        timeout: hangLimit(60_000),
      })
      return { code: result.status, output: result.stdout + result.stderr }
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
