/**
 * A copy of the repository that may be broken: sources, tests and tools, with `node_modules` shared by a link. It lies below `.mutants/`,
 * in a folder named by the process that made it, so that two runs at once do not meet and what a killed run left is removed.
 */

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mutate, type Mutation } from './mutation.ts'

export const root: string = join(import.meta.dirname, '../..')
const mutants = join(root, '.mutants')
const parts = ['src', 'test', 'bin', 'scripts', 'package.json', 'tsconfig.json', 'tsconfig.base.json', 'tsconfig.test.json']
const buildLimitMs = 120_000

/** An unchanged copy. `hasProduct`: with a `dist` that matches its sources. */
export function makeCopy(name: string, hasProduct: boolean): string {
  return make(name, hasProduct, () => {})
}

/** A copy with one promise broken. Throws when the text to change is not there exactly once, or the result does not compile. */
export function makeMutant(mutation: Mutation): string {
  const copy = make(mutation.name, needsProduct(mutation), (unchanged) => {
    const file = join(unchanged, mutation.file)
    writeFileSync(file, mutate(readFileSync(file, 'utf8'), mutation))
  })
  const output = mutation.file.replace('src/', 'dist/').replace(/\.ts$/, '.js')
  if (needsProduct(mutation) && isSameFile(join(root, output), join(copy, output))) throw new Error(`${output} is not mutated`)
  return copy
}

const isSameFile = (one: string, other: string): boolean => readFileSync(one).equals(readFileSync(other))

export const needsProduct = ({ caughtBy }: Mutation): boolean => caughtBy.file.startsWith('test/')

function make(name: string, hasProduct: boolean, change: (copy: string) => void): string {
  const copy = join(mutants, String(process.pid), name)
  rmSync(copy, { recursive: true, force: true })
  mkdirSync(copy, { recursive: true })
  // What was built of the unchanged sources comes first: to the compiler every source is then newer, and it looks what differs.
  if (hasProduct && existsSync(join(root, 'dist'))) cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true })
  for (const part of parts) cpSync(join(root, part), join(copy, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  change(copy)
  if (hasProduct) build(copy)
  return copy
}

function build(copy: string): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/build.ts'], {
    cwd: copy,
    encoding: 'utf8',
    timeout: buildLimitMs,
  })
  if (status !== 0) throw new Error(`it cannot be built: ${stdout}${stderr}`)
}

/** Removes this process's copies, and those of processes that are no more. */
export function removeCopies(): void {
  if (!existsSync(mutants)) return
  for (const name of readdirSync(mutants)) {
    if (name === String(process.pid) || !existsSync(`/proc/${name}`))
      rmSync(join(mutants, name), { recursive: true, force: true })
  }
  if (readdirSync(mutants).length === 0) rmSync(mutants, { recursive: true })
}
