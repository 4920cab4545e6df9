/**
 * Copies the package, breaks one rule in the copy, and runs the test that must notice. The same test must pass on an unbroken
 * copy: a test that always fails catches everything and proves nothing.
 */

import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join, resolve } from 'node:path'
import { packageUnderTest, root } from '../daemon-harness.ts'
import { mutations, type Edit, type Mutation } from './table.ts'

const folder = join(root, '.mutants')
const lanes = 2
const testLimitMs = 40_000

interface Verdict {
  readonly passed: number
  readonly failed: number
  readonly output: string
}

export interface Judgement {
  readonly mutation: Mutation
  /** Null when the mutation was caught; else why not, with what the test printed. */
  readonly complaint: string | null
}

/** Every mutation whose name is given; all of them for an empty list. */
export async function judgeMutations(names: readonly string[], onJudgement: (judgement: Judgement) => void): Promise<void> {
  for (const name of names) if (!mutations.some((mutation) => mutation.name === name)) throw new Error(`no mutation ${name}`)
  const waiting = mutations.filter(({ name }) => names.length === 0 || names.includes(name))
  rmSync(folder, { recursive: true, force: true })
  try {
    const healthy = rememberVerdicts(makeCopy('healthy', []))
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        for (let mutation = waiting.shift(); mutation !== undefined; mutation = waiting.shift()) {
          onJudgement({ mutation, complaint: await judge(mutation, healthy) })
        }
      }),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

type Test = Mutation['test']

async function judge({ name, edits, test }: Mutation, healthy: (test: Test) => Promise<Verdict>): Promise<string | null> {
  const before = await healthy(test)
  if (before.failed > 0 || before.passed === 0) return `its test does not pass on the unbroken program\n${before.output}`
  const after = await runTest(makeCopy(name, edits), test)
  return after.failed > 0 ? null : `"${test.pattern}" in ${test.file} did not notice\n${after.output}`
}

/** Several mutations may have one test; on the unbroken copy it runs once. */
function rememberVerdicts(copy: string): (test: Test) => Promise<Verdict> {
  const known = new Map<string, Promise<Verdict>>()
  return (test) => {
    const key = `${test.file} ${test.pattern}`
    const verdict = known.get(key) ?? runTest(copy, test)
    known.set(key, verdict)
    return verdict
  }
}

function makeCopy(name: string, edits: readonly Edit[]): string {
  const copy = join(folder, name)
  mkdirSync(copy, { recursive: true })
  for (const part of ['src', 'dist', 'bin', 'package.json']) cpSync(join(packageUnderTest, part), join(copy, part), { recursive: true })
  for (const part of ['test', 'examples']) cpSync(join(root, part), join(copy, part), { recursive: true })
  for (const edit of edits) apply(copy, edit)
  return copy
}

/** In the sources, for the tests beside them, and in what is built from them, for those of the whole. */
function apply(copy: string, { file, find, replace }: Edit): void {
  const path = resolve(copy, file)
  const text = readFileSync(path, 'utf8')
  const count = text.split(find).length - 1
  if (count !== 1) throw new Error(`${file} has ${count} times, not once: ${find}`)
  const broken = text.replace(find, () => replace)
  writeFileSync(path, broken)
  const built = path.replace(`${copy}/src/`, `${copy}/dist/`).replace(/\.ts$/, '.js')
  if (!existsSync(built)) throw new Error(`${built} is missing: npm run build`)
  if (file.endsWith('.sh')) writeFileSync(built, broken)
  else writeFileSync(built, stripTypeScriptTypes(broken).replaceAll(/((?:from|import\() ?'\.[^']*)\.ts'/g, "$1.js'"))
}

async function runTest(copy: string, test: Test): Promise<Verdict> {
  const options = ['--test', '--test-reporter=tap', `--test-timeout=${testLimitMs}`, `--test-name-pattern=${test.pattern}`]
  const { DARUMA_UNDER_TEST: _, NODE_TEST_CONTEXT: __, ...environment } = process.env
  const child = spawn(process.execPath, [...options, join(copy, test.file)], { cwd: copy, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (part: Buffer) => (output += part.toString('utf8')))
  child.stderr.on('data', (part: Buffer) => (output += part.toString('utf8')))
  await new Promise((resolve) => child.once('exit', resolve))
  const count = (word: string): number => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0)
  return { passed: count('pass'), failed: count('fail') + count('cancelled'), output }
}
