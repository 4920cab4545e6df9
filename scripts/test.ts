/**
 * `npm test`: every `*.test.ts` of `src/` and `test/` under node:test, closing with its counts. Two files at a time: the tests start
 * real processes and measure real time, and a crowd of them would test the machine's patience instead.
 *
 * `npm test -- WORD...` runs only the files whose path contains one of the words; `--no-install` leaves the machine as it is. `--unit` (as
 * `npm run test:unit`) runs only those that start no process: nothing is installed or built for them, and they need not be root.
 *
 * Shared machines stall for seconds now and then, and some tests wait for the real world with a deadline. So files that failed, where
 * they are few, are tried once more, alone; what passes then is named as unsteady, which is a bug to be mended. What the witness saw
 * (something that ran twice) is never tried again: once is once too often.
 *
 * A test leaves nothing behind, also when it fails: processes, mounts, cgroups and files that are still there at the end are named, and
 * fail a run in which all else has passed.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { findLeftovers, openRunFolder, removeRun } from '../test/leftovers.ts'
import { prepareTests } from './prepare-tests.ts'
import { filesBelow, root } from './tree.ts'
import { unitTests } from './unit-tests.ts'

/** The slowest files, the mutations and the fault rounds, take some minutes on a busy machine; one that takes ten hangs. */
const fileLimitMs = 600_000
/** A single test gives up earlier, while there is still time for its hooks to clean up. */
const testLimitMs = fileLimitMs - 30_000
const filesAtOnce = 2
/** More than this many files do not fail by the machine's mood. */
const mostRetried = 4

const words = process.argv.slice(2).filter((word) => !word.startsWith('-'))
const all = ['src', 'test'].flatMap((folder) => filesBelow(folder, (name) => name.endsWith('.test.ts')))
const isUnit = process.argv.includes('--unit')
const chosen = (isUnit ? unitTests() : all).filter((path) => words.length === 0 || words.some((word) => path.includes(word)))

const closed = closedFolder()
if (closed !== null) {
  console.error(
    `test: ${closed} is closed to other users (mode 0700, as /root is), and some tests run programs of this clone as others.\nClone it elsewhere, below /srv or /opt, or open the folder: chmod o+x ${closed}`,
  )
  process.exitCode = 1
} else if (chosen.length === 0) {
  console.error(`no test file's path contains ${words.join(' or ')}; there are ${all.length}`)
  process.exitCode = 1
} else {
  if (isUnit) console.log(`unit tests: ${chosen.length} of ${all.length} files`)
  else if (!process.argv.includes('--no-install')) prepareTests()
  process.exitCode = await runAll(chosen)
}

async function runAll(files: readonly string[]): Promise<number> {
  const notes = mkdtempSync(join(tmpdir(), 'daruma-tests-'))
  const folder = await openRunFolder()
  try {
    const code = await runTwiceAtMost(files, { notes, folder })
    const left = [...readLines(join(notes, 'leftovers')), ...(await findLeftovers(folder))]
    for (const each of left) console.log(`tests: left behind: ${each}`)
    return code === 0 && left.length > 0 ? 1 : code
  } finally {
    rmSync(notes, { recursive: true, force: true })
    await removeRun(folder)
  }
}

async function runTwiceAtMost(
  files: readonly string[],
  { notes, folder }: { readonly notes: string; readonly folder: string },
): Promise<number> {
  const violations = join(notes, 'violations')
  const leftovers = join(notes, 'leftovers')
  const first = await run(files, { filesAtOnce, failed: join(notes, 'failed'), violations, leftovers, folder })
  const failed = first.failed.map((file) => relative(root, file))
  const mayRetry = failed.length > 0 && failed.length <= mostRetried && !existsSync(violations)
  // A test that stands in a shared file (a port's contract) names that file, which alone would test nothing.
  if (first.code === 0 || !mayRetry || !failed.every((file) => files.includes(file))) return first.code
  console.log(`\ntests: once more, alone: ${failed.join(', ')}`)
  const second = await run(failed, { filesAtOnce: 1, failed: join(notes, 'failed again'), violations, leftovers, folder })
  if (second.code === 0) console.log(`tests: unsteady, passed only the second time: ${failed.join(', ')}`)
  return second.code
}

interface Pass {
  readonly filesAtOnce: number
  /** Where the names of the failed files go. */
  readonly failed: string
  /** Written by a test whose witness saw a violation. */
  readonly violations: string
  /** Written by a test file that comes upon what one before it left. */
  readonly leftovers: string
  /** In which everything that the tests make stands, or which it names. */
  readonly folder: string
}

function run(files: readonly string[], pass: Pass): Promise<{ readonly code: number; readonly failed: readonly string[] }> {
  const limits = [
    `--test-concurrency=${pass.filesAtOnce}`,
    `--test-timeout=${testLimitMs}`,
    '--import',
    join(root, 'scripts/test-limit.ts'),
  ]
  const reporters = [
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${join(root, 'scripts/failed-files-reporter.config.ts')}`,
    `--test-reporter-destination=${pass.failed}`,
  ]
  const child = spawn(process.execPath, ['--test', ...limits, ...reporters, ...files], {
    cwd: root,
    env: {
      ...cleanEnvironment(),
      TEST_VIOLATIONS_FILE: pass.violations,
      TEST_LEFTOVERS_FILE: pass.leftovers,
      TMPDIR: pass.folder,
    },
    stdio: 'inherit',
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => {
      resolve({ code: code ?? 1, failed: readLines(pass.failed) })
    })
  })
}

function readLines(file: string): readonly string[] {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
}

/** A stray DARUMA_STATE in the developer's shell must not lead a test to real state, nor their language change a message. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('DARUMA_') && name !== 'NODE_OPTIONS')
  return { ...Object.fromEntries(kept), LC_ALL: 'C.UTF-8', NODE_NO_WARNINGS: '1', TEST_FILE_LIMIT_MS: String(fileLimitMs) }
}

/** As root, tests run things as other users too; the folder above this clone that these may not pass, or null. */
function closedFolder(): string | null {
  if (process.getuid?.() !== 0) return null
  for (let folder = root; folder !== dirname(folder); folder = dirname(folder))
    if ((statSync(folder).mode & 0o001) === 0) return folder
  return null
}
