/**
 * Runs chosen tests of one file in a copy of the repository and tells how each of them ended. A file that cannot even be loaded has no
 * results: then `trouble` says why, which is no proof that a test has caught anything.
 */

import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { allPids, environmentOf, identify, signalProcess, until } from '../processes.ts'
import type { TestResult } from './test-reporter.config.ts'

export interface TestRun {
  readonly results: readonly TestResult[]
  /** The last words on standard error; whether it was ended for taking too long. */
  readonly trouble: string
}

/** Limits for hangs: a busy machine makes a run slower, not wrong. */
const fileLimitMs = 420_000
/** A single test gives up earlier, while there is time for its hooks to clean up. */
const testLimitMs = 400_000
const reporter = new URL('./test-reporter.config.ts', import.meta.url).href

/**
 * `names` are whole names of tests, without those of the suites that they are in. `hangLimitMs` is for how long a test waits for what
 * never comes; null for as long as ever.
 */
export async function runTests(
  copy: string,
  file: string,
  names: readonly string[],
  hangLimitMs: number | null,
): Promise<TestRun> {
  const answers = join(copy, 'answers.ndjson')
  rmSync(answers, { force: true })
  const words = [
    `--test-reporter=${reporter}`,
    `--test-reporter-destination=${answers}`,
    `--test-timeout=${testLimitMs}`,
    // A test that failed half-way may have left something open that would keep the process alive.
    '--test-force-exit',
    ...names.map((name) => `--test-name-pattern=^${name.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)}$`),
    file,
  ]
  // Of its own, since a mutant may make a test's clean-up fail; short, since the path of a unix socket is.
  const temporary = mkdtempSync(join(tmpdir(), 'm-'))
  // Services that run as somebody else must be able to pass through.
  chmodSync(temporary, 0o711)
  const limit = hangLimitMs === null ? {} : { TEST_HANG_LIMIT_MS: String(Math.round(hangLimitMs)) }
  const trouble = await run(copy, words, { ...limit, TMPDIR: temporary })
  await endLeftOvers(copy)
  rmSync(temporary, { recursive: true, force: true, maxRetries: 5 })
  const text = existsSync(answers) ? readFileSync(answers, 'utf8') : ''
  const results = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as TestResult]))
  return { results: results.filter(({ name }) => names.includes(name)), trouble }
}

function run(cwd: string, words: readonly string[], more: Readonly<Record<string, string>>): Promise<string> {
  const child = spawn(process.execPath, words, {
    cwd,
    env: { ...cleanEnvironment(), [mark]: cwd, ...more },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (part: Buffer) => (said = `${said}${part.toString('utf8')}`.slice(-4000)))
  const limit = setTimeout(() => {
    said += `\nstill running after ${fileLimitMs / 1000} s`
    child.kill('SIGKILL')
  }, fileLimitMs)
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    // Not `close`: what a mutant left running may hold its standard error open.
    child.once('exit', () => {
      clearTimeout(limit)
      process.off('exit', onExit)
      child.stderr.destroy()
      resolve(said)
    })
  })
}

/** In the environment of the test and so of everybody whom it starts, whatever a broken promise makes of them. */
const mark = 'TRIED_MUTANT'

/** A mutant that ends nobody, or starts somebody again and again, can make a test's own clean-up fail. */
async function endLeftOvers(copy: string): Promise<void> {
  await until(`everybody of ${copy} is ended`, 10_000, () => {
    const left = allPids()
      .filter((pid) => environmentOf(pid)[mark] === copy)
      .map(identify)
    for (const id of left) if (id !== null) signalProcess(id, 'SIGKILL')
    return left.length === 0
  })
}

/** Without NODE_TEST_CONTEXT, by which a test inside a test would report to the outer one. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(?:DARUMA_|NODE_OPTIONS$|NODE_TEST_CONTEXT$)/.test(name))
  return { ...Object.fromEntries(kept), LC_ALL: 'C.UTF-8', NODE_NO_WARNINGS: '1' }
}
