/**
 * `npm run build`: TypeScript to `dist/`, which mirrors `src/`, the POSIX-sh files of `src/host` and the page beside it. What no source stands
 * behind any more is removed, and an output that somebody deleted is made again: incremental compilation notices neither.
 *
 * `--if-possible` is for npm's `prepare`: it also runs where no compiler was installed (`npm ci --omit=dev`), and its failure would take
 * the tools away from somebody who has just a type error to fix. It says what is wrong and lets npm go on; `check` does not.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, rmdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { buildDashboard } from './build-dashboard.ts'
import { filesBelow, root } from './tree.ts'

const compiler = join(root, 'node_modules/typescript/bin/tsc')
const outputs = join(root, 'dist')
const isOptional = process.argv.includes('--if-possible')

async function build(): Promise<number> {
  if (!existsSync(compiler)) {
    console.error('build: TypeScript is not installed here (npm ci without --omit=dev installs it)')
    return isOptional ? 0 : 1
  }
  const expected = expectedOutputs()
  removeStale(expected)
  const isIncomplete = [...expected.keys()].some((output) => !existsSync(join(outputs, output)))
  const code = compile(isIncomplete ? ['--force'] : [])
  for (const [output, source] of expected) if (output.endsWith('.sh')) copy(join(root, source), join(outputs, output))
  const pageCode = await buildDashboard()
  if (code !== 0 && isOptional) console.error('build: there are errors, shown above')
  return isOptional ? 0 : code || pageCode
}

/** Output → source, both relative; the tests and contracts beside the sources are not built. */
function expectedOutputs(): ReadonlyMap<string, string> {
  const expected = new Map<string, string>()
  for (const source of filesBelow('src', (name) => /\.(?:ts|sh)$/.test(name) && !/\.(?:test|contract|d)\.ts$/.test(name))) {
    if (source.startsWith(join('src', 'dashboard'))) continue
    const output = relative('src', source)
    if (output.endsWith('.sh')) expected.set(output, source)
    else for (const ending of ['.js', '.d.ts']) expected.set(output.replace(/\.ts$/, ending), source)
  }
  return expected
}

function removeStale(expected: ReadonlyMap<string, string>): void {
  if (!existsSync(outputs)) return
  for (const entry of readdirSync(outputs, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const output = relative(outputs, path)
    const isPage = output.startsWith('dashboard/') && existsSync(join(root, 'src/dashboard'))
    if (entry.isFile() && !expected.has(output) && !isPage && !output.endsWith('.tsbuildinfo')) rmSync(path, { force: true })
  }
  for (const entry of readdirSync(outputs, { recursive: true, withFileTypes: true }).toReversed()) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory() && readdirSync(path).length === 0) rmdirSync(path)
  }
}

function compile(options: readonly string[]): number {
  const result = spawnSync(process.execPath, [compiler, '-b', join(root, 'src'), ...options], { stdio: 'inherit' })
  if (result.error) throw result.error
  return result.status ?? 1
}

/** By rename, because a daemon of the same checkout may be reading the file at this moment. */
function copy(source: string, output: string): void {
  const content = readFileSync(source)
  if (existsSync(output) && readFileSync(output).equals(content)) return
  mkdirSync(dirname(output), { recursive: true })
  writeFileSync(`${output}.new`, content, { mode: 0o755 })
  renameSync(`${output}.new`, output)
}

process.exitCode = await build()
