/**
 * `npm test`: every `*.test.ts` of `src/` and `test/` under node:test, closing with its counts. Two files at a time: the tests start
 * real processes and measure real time, and a crowd of them would test the machine's patience instead.
 *
 * `npm test -- WORD...` runs only the files whose path contains one of the words; `--no-install` leaves the machine as it is.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { prepareTests } from './prepare-tests.ts'
import { filesBelow, root } from './tree.ts'

/** The slowest file, the fault rounds, takes about a minute; one that takes five hangs. */
const fileLimitMs = 300_000
/** A single test gives up earlier, while there is still time for its hooks to clean up. */
const testLimitMs = fileLimitMs - 30_000
const filesAtOnce = 2

const words = process.argv.slice(2).filter((word) => !word.startsWith('-'))
const all = ['src', 'test'].flatMap((folder) => filesBelow(folder, (name) => name.endsWith('.test.ts')))
const chosen = all.filter((path) => words.length === 0 || words.some((word) => path.includes(word)))

if (chosen.length === 0) {
  console.error(`no test file's path contains ${words.join(' or ')}; there are ${all.length}`)
  process.exitCode = 1
} else {
  if (!process.argv.includes('--no-install')) prepareTests()
  process.exitCode = await run(chosen)
}

function run(files: readonly string[]): Promise<number> {
  const limits = [
    `--test-concurrency=${filesAtOnce}`,
    `--test-timeout=${testLimitMs}`,
    '--import',
    join(root, 'scripts/test-limit.ts'),
  ]
  const options = [...limits, '--test-reporter=spec']
  const child = spawn(process.execPath, ['--test', ...options, ...files], {
    cwd: root,
    env: cleanEnvironment(),
    stdio: 'inherit',
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

/** A stray DARUMA_STATE in the developer's shell must not lead a test to real state, nor their language change a message. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('DARUMA_') && name !== 'NODE_OPTIONS')
  return { ...Object.fromEntries(kept), LC_ALL: 'C.UTF-8', NODE_NO_WARNINGS: '1', TEST_FILE_LIMIT_MS: String(fileLimitMs) }
}
