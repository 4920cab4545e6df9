/**
 * `npm run faults`, or `node test/faults/run.ts --rounds N --seed S`: rounds of real faults. `--round K` plays only that one: the way
 * to replay a failure.
 */

import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { playRounds } from './campaign.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string' },
    round: { type: 'string', multiple: true },
    lanes: { type: 'string', default: '2' },
  },
})
const seed = values.seed ?? randomBytes(4).toString('hex')
const count = Number(values.rounds)
const rounds = values.round === undefined ? Array.from({ length: count }, (_, index) => index) : values.round.map(Number)

console.log(`seed ${seed}, ${rounds.length} rounds`)
const beganAt = performance.now()
const played = new Map<string, number>()
try {
  await playRounds({
    seed,
    rounds,
    lanes: Number(values.lanes),
    onRound: ({ round, scenario, workload, durationMs, notes }) => {
      played.set(scenario, (played.get(scenario) ?? 0) + 1)
      console.log(
        `${String(round).padStart(4)}  ${(durationMs / 1000).toFixed(1).padStart(5)} s  ${workload.padEnd(16)}  ${scenario}: ${notes.join('; ')}`,
      )
    },
  })
  for (const [scenario, times] of played) console.log(`${String(times).padStart(4)} × ${scenario}`)
  console.log(`all ${rounds.length} rounds passed in ${((performance.now() - beganAt) / 1000).toFixed(0)} s`)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
