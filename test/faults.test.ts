import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { playRounds } from './faults/campaign.ts'

/** `npm run faults` plays 200. FAULT_SEED replays; without it every run is another one, but for CI, which judges a change and not its luck. */
const rounds = 30

test(`after each of ${rounds} rounds of killing, stopping and changing everything runs again, and nothing ever ran twice`, async (t) => {
  const fixed = process.env['CI'] === undefined ? null : 'daruma'
  const seed = process.env['FAULT_SEED'] ?? fixed ?? randomBytes(4).toString('hex')
  t.diagnostic(`seed ${seed}`)
  const seen: string[] = []
  await playRounds({
    seed,
    rounds: Array.from({ length: rounds }, (_, index) => index),
    lanes: 2,
    onRound: ({ scenario }) => seen.push(scenario),
  })
  if (seen.length !== rounds) throw new Error(`only ${seen.length} rounds were played`)
})
