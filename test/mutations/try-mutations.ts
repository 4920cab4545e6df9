/**
 * Tries mutations: makes each one, runs its test, and demands that the test fails on an assertion. A test that fails without the
 * mutation too, or that fails because the mutant cannot run at all, has caught nothing: both count as broken, not as caught.
 */

import { rmSync } from 'node:fs'
import { makeCopy, makeMutant, needsProduct, removeCopies } from './copy.ts'
import type { Mutation } from './mutation.ts'
import { runTests, type TestRun } from './run-tests.ts'
import type { TestResult } from './test-reporter.config.ts'

export interface Verdict {
  readonly mutation: Mutation
  /** `untried`: this machine cannot run the test at all, which then said so and was skipped. */
  readonly state: 'caught' | 'survived' | 'broken' | 'untried'
  /** For `caught`, what the test said; else why it is not. */
  readonly evidence: string
  readonly tookMs: number
}

const leastHangMs = 10_000

/** Errors of a mutant that does not run, as opposed to one that runs wrongly. */
const isNoProof: ReadonlySet<string> = new Set(['SyntaxError', 'ReferenceError', 'TypeError'])

/** One after the other: many tests measure time. Verdicts come in the order of the test files. */
export async function* tryMutations(mutations: readonly Mutation[]): AsyncGenerator<Verdict> {
  removeCopies()
  try {
    for (const group of Map.groupBy(mutations, ({ caughtBy }) => caughtBy.file).values()) {
      const beganMs = performance.now()
      const healthy = await runUnchanged(group)
      // What a mutant does not do in several times as long, on a machine as busy as this one is now, it never does.
      const hangLimitMs = leastHangMs + 4 * (performance.now() - beganMs)
      for (const mutation of group) yield await tryOne(mutation, healthy, hangLimitMs)
    }
  } finally {
    removeCopies()
  }
}

/** How the tests of one file end without any mutation: all that the group names, in one run. */
async function runUnchanged(group: readonly Mutation[]): Promise<TestRun> {
  const [first] = group
  if (first === undefined) return { results: [], trouble: '' }
  const copy = makeCopy('unchanged', needsProduct(first))
  const run = await runTests(copy, first.caughtBy.file, [...new Set(group.map(({ caughtBy }) => caughtBy.test))], null)
  rmSync(copy, { recursive: true, force: true })
  return run
}

async function tryOne(mutation: Mutation, unchanged: TestRun, hangLimitMs: number): Promise<Verdict> {
  const beganMs = performance.now()
  const verdict = (state: Verdict['state'], evidence: string): Verdict => ({
    mutation,
    state,
    evidence,
    tookMs: performance.now() - beganMs,
  })
  const { file, test } = mutation.caughtBy
  const healthy = unchanged.results.find(({ name }) => name === test)
  if (healthy === undefined) return verdict('broken', `${file} has no such test: ${lastWords(unchanged)}`)
  if (healthy.state === 'skipped') return verdict('untried', 'its test is skipped on this machine')
  if (healthy.state === 'failed') return verdict('broken', `its test fails without it: ${inOneLine(healthy)}`)
  try {
    const copy = makeMutant(mutation)
    const run = await runTests(copy, file, [test], hangLimitMs)
    rmSync(copy, { recursive: true, force: true })
    const failed = run.results.find(({ state }) => state === 'failed')
    if (failed?.failure?.kind === 'testCodeFailure' && !isNoProof.has(failed.failure.error))
      return verdict('caught', inOneLine(failed))
    if (failed !== undefined) return verdict('broken', `${failed.failure?.kind}, ${inOneLine(failed)}`)
    if (run.results.length > 0) return verdict('survived', 'its test passes')
    return verdict('broken', `its test did not run: ${lastWords(run)}`)
  } catch (error) {
    return verdict('broken', error instanceof Error ? error.message : String(error))
  }
}

const lastWords = ({ trouble }: TestRun): string => trouble.trim().split('\n').slice(-6).join(' ')

/** The first line of a failure; where that only announces what differs, what differs too. */
function inOneLine({ failure }: TestResult): string {
  const lines = (failure?.message ?? '').split('\n').map((each) => each.trim().replaceAll(/\s+/g, ' '))
  const [first = '', ...rest] = lines.filter((each) => each !== '' && each !== '+ actual - expected')
  const difference = rest.filter((each) => /^[+-] ?|!==/.test(each))
  const whole = first.endsWith(':') ? [first, ...(difference.length > 0 ? difference : rest)].join(' ') : first
  return whole.length > longestEvidence ? `${whole.slice(0, longestEvidence)}…` : whole
}

const longestEvidence = 160
