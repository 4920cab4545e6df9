/**
 * `npm test`: every `*.test.ts` of `src/` and `test/` under node:test, closing with its counts and the slowest files. A few files at a
 * time: the tests start real processes, and a crowd of them would test the machine's patience instead.
 *
 * `npm test -- WORD...` runs only the files whose path contains one of the words; `--no-install` leaves the machine as it is. `--unit` (as
 * `npm run test:unit`) runs only those that start no process: nothing is installed or built for them, and they need not be root.
 *
 * Shared machines stall for seconds now and then, and some tests wait for the real world with a deadline. So files that failed, where
 * they are few, are tried once more, alone; what passes then is named as unsteady, which is a bug to be fixed. What the witness saw
 * (something that ran twice) is never tried again: once is once too often.
 *
 * A test leaves nothing behind, also when it fails: processes, mounts, cgroups and files that are still there at the end are named, and
 * fail a run in which all else has passed.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { run as runFiles } from 'node:test'
import { spec } from 'node:test/reporters'
import { compileCache, findLeftovers, openRunFolder, removeRun } from '../test/leftovers.ts'
import { prepareTests } from './prepare-tests.ts'
import { slowestFirst, formatSlowest, type FileTime } from './slow-files.ts'
import { filesBelow, root } from './tree.ts'
import { unitTests } from './unit-tests.ts'

/** The slowest files, the mutations and the fault rounds, take some minutes on a busy machine; one that takes ten hangs. */
const fileLimitMs = 600_000
/** A single test gives up earlier, while there is still time for its hooks to clean up. */
const testLimitMs = fileLimitMs - 30_000
/** One more than there are cores: what waits for a probe, a grace or an engine leaves its core to another file. */
const filesAtOnce = Math.min(availableParallelism() + 1, 6)
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
  process.exitCode = await runAll(slowestFirst(chosen))
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
  const first = await run(files, { filesAtOnce, violations, leftovers, folder })
  const { failed } = first
  console.log(formatSlowest(first.times))
  const mayRetry = failed.length > 0 && failed.length <= mostRetried && !existsSync(violations)
  if (first.code === 0 || !mayRetry) return first.code
  console.log(`\ntests: once more, alone: ${failed.join(', ')}`)
  const second = await run(failed, { filesAtOnce: 1, violations, leftovers, folder })
  if (second.code === 0) console.log(`tests: unsteady, passed only the second time: ${failed.join(', ')}`)
  return second.code
}

interface Pass {
  readonly filesAtOnce: number
  /** Written by a test whose witness saw a violation. */
  readonly violations: string
  /** Written by a test file that comes upon what one before it left. */
  readonly leftovers: string
  /** In which everything that the tests make stands, or which it names. */
  readonly folder: string
}

interface Passed {
  readonly code: number
  /** The files, from the root, in which or by which a test failed. */
  readonly failed: readonly string[]
  readonly times: readonly FileTime[]
}

/** As `node --test` does, which would take the files in the order of their names. */
async function run(files: readonly string[], pass: Pass): Promise<Passed> {
  const ending = new AbortController()
  const end = (): void => ending.abort()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end)
  const events = runFiles({
    files: files.map((file) => join(root, file)),
    cwd: root,
    concurrency: pass.filesAtOnce,
    timeout: testLimitMs,
    execArgv: ['--import', join(root, 'scripts/test-limit.ts')],
    env: {
      ...cleanEnvironment(),
      // Each file loads much of the sources: what one has compiled, and stripped of its types, the next ones need not.
      NODE_COMPILE_CACHE: join(pass.folder, compileCache),
      TEST_VIOLATIONS_FILE: pass.violations,
      TEST_LEFTOVERS_FILE: pass.leftovers,
      TMPDIR: pass.folder,
    },
    signal: ending.signal,
  })
  const failed = new Set<string>()
  const times: FileTime[] = []
  let isWell = true
  events.on('test:fail', ({ file }) => {
    isWell = false
    // A file that falls before its tests begin. A test may stand in a shared file (a port's contract), which alone would test nothing.
    if (file !== undefined && files.includes(relative(root, file))) failed.add(relative(root, file))
  })
  events.on('test:summary', ({ file, success, duration_ms: ms }) => {
    isWell &&= success
    if (file === undefined) return
    times.push({ file: relative(root, file), seconds: ms / 1000 })
    if (!success) failed.add(relative(root, file))
  })
  for await (const text of events.compose(new spec())) process.stdout.write(text as string)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, end)
  return { code: isWell && !ending.signal.aborted ? 0 : 1, failed: [...failed], times }
}

function readLines(file: string): readonly string[] {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
}

/** A stray DARUMA_STATE in the developer's shell must not lead a test to real state, nor their language change a message. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const isKept = (name: string): boolean => name === 'DARUMA_TEST_ALL' || !/^(?:DARUMA_|NODE_OPTIONS$)/.test(name)
  const kept = Object.entries(process.env).filter(([name]) => isKept(name))
  return { ...Object.fromEntries(kept), LC_ALL: 'C.UTF-8', NODE_NO_WARNINGS: '1', TEST_FILE_LIMIT_MS: String(fileLimitMs) }
}

/** As root, tests run things as other users too; the folder above this clone that these may not pass, or null. */
function closedFolder(): string | null {
  if (process.getuid?.() !== 0) return null
  for (let folder = root; folder !== dirname(folder); folder = dirname(folder))
    if ((statSync(folder).mode & 0o001) === 0) return folder
  return null
}
