import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { playRounds } from './faults/campaign.ts'
import { isThorough } from './thorough.ts'

/** In these each workload comes, and four of them have a neighbour. `npm run faults` plays 200, DARUMA_TEST_ALL=1 the first thirty here. */
const rounds = isThorough ? Array.from({ length: 30 }, (_, index) => index) : [0, 1, 2, 3, 4, 5, 6, 8, 15, 16]

/** FAULT_SEED replays; without it every run is another one, but for CI, which judges a change and not its luck. */
test(`after each of ${rounds.length} rounds of killing, stopping and changing everything runs again, and nothing ever ran twice`, async (t) => {
  const fixed = process.env['CI'] === undefined ? null : 'daruma'
  const seed = process.env['FAULT_SEED'] ?? fixed ?? randomBytes(4).toString('hex')
  t.diagnostic(`seed ${seed}`)
  const seen: string[] = []
  await playRounds({
    seed,
    rounds,
    lanes: 2,
    onRound: ({ scenario }) => seen.push(scenario),
  })
  if (seen.length !== rounds.length) throw new Error(`only ${seen.length} rounds were played`)
})
