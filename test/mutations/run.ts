/**
 * `npm run mutations`: breaks each promise in a copy of the sources and shows the test that notices. Ends with 1 when one is not
 * noticed. `npm run mutations -- WORD...` tries only those whose name contains a word; `--quick` leaves the slow ones out; `--sample 12`
 * tries twelve, others in each run, whose seed is printed: `--seed N` tries the same again.
 */

import { parseArgs } from 'node:util'
import { takeSample } from './sample.ts'
import { mutations } from './table.ts'
import { tryMutations, type Verdict } from './try-mutations.ts'

const { values, positionals: words } = parseArgs({
  options: { quick: { type: 'boolean' }, sample: { type: 'string' }, seed: { type: 'string' } },
  allowPositionals: true,
})
const fitting = mutations
  .filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
  .filter(({ isSlow }) => values.quick !== true || isSlow !== true)
const seed = values.seed ?? String(Math.floor(Math.random() * 1e9))
const chosen = values.sample === undefined ? fitting : takeSample(fitting, { count: Number(values.sample), seed })
if (values.sample !== undefined)
  console.log(
    `${chosen.length} of ${fitting.length} mutations; the same again: npm run mutations -- --sample ${values.sample} --seed ${seed}`,
  )

// Without this the copies would stay behind, and the test that is running would run on.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const verdicts: Verdict[] = []
for await (const verdict of tryMutations(chosen)) {
  verdicts.push(verdict)
  print(verdict)
}
const count = (state: Verdict['state']): number => verdicts.filter((verdict) => verdict.state === state).length
console.log(
  `${verdicts.length} mutations: ${(['caught', 'survived', 'broken', 'untried'] as const).map((state) => `${count(state)} ${state}`).join(', ')}`,
)
if (chosen.length === 0)
  console.error(`no mutation is called ${words.join(' or ')}; there are: ${mutations.map(({ name }) => name).join(' ')}`)
process.exitCode = chosen.length === 0 || count('survived') + count('broken') > 0 ? 1 : 0

function print({ mutation: { name, rule, caughtBy }, state, evidence, tookMs }: Verdict): void {
  const mark = { caught: 'ok', survived: 'SURVIVED', broken: 'BROKEN', untried: 'untried' }[state]
  console.log(`${mark.padEnd(9)}${name}  ${(tookMs / 1000).toFixed(1)} s`)
  console.log(`         breaks: ${rule}`)
  console.log(`         caught by: ${caughtBy.file}: ${caughtBy.test}`)
  console.log(`         ${evidence}`)
}
