/** Many rounds, in lanes beside each other; each lane has its own witness, checkpoint driver, instrumented package and, once a round asks for it, engine. */

import { join } from 'node:path'
import { mkdirSync } from 'node:fs'
import { startCheckpointDriver } from '../checkpoint-driver.ts'
import { cleanUp, makeWorkshop } from '../clean-up.ts'
import { packageUnderTest } from '../daemon-harness.ts'
import { LabEngine } from '../engine/lab-engine.ts'
import { makeGatedPackage } from '../keeper-gates.ts'
import { startWitness } from '../witness/index.ts'
import { playRound, type RoundReport } from './round.ts'

export interface CampaignOptions {
  readonly seed: string
  /** The numbers of the rounds to play. */
  readonly rounds: readonly number[]
  readonly lanes: number
  readonly onRound: (report: RoundReport) => void
}

/** Rejects with the first failure, which says how to replay it; the other lanes end their round. */
export async function playRounds(options: CampaignOptions): Promise<void> {
  const waiting = [...options.rounds]
  let hasFailed = false
  const results = await Promise.allSettled(
    Array.from({ length: Math.min(options.lanes, waiting.length) }, async () => {
      const workshop = makeWorkshop()
      try {
        mkdirSync(join(workshop, 'package'))
        const gates = makeGatedPackage(packageUnderTest, join(workshop, 'package'))
        await using driver = await startCheckpointDriver(join(workshop, 'driver.sock'))
        await using witness = await startWitness()
        await using lab = new LaneEngine()
        while (!hasFailed) {
          const round = waiting.shift()
          if (round === undefined) break
          options.onRound(await playRound({ seed: options.seed, round, witness, driver, gates, engine: () => lab.clean() }))
        }
      } catch (error) {
        hasFailed = true
        throw error
      } finally {
        await cleanUp(workshop, workshop)
      }
    }),
  )
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

/** Starts with the first round that has containers, and is given to each of them without those of the one before. */
class LaneEngine implements AsyncDisposable {
  #engine: LabEngine | null = null

  async clean(): Promise<LabEngine> {
    this.#engine ??= await LabEngine.start()
    const left = this.#engine.docker('ps', '--all', '--quiet')
    if (left !== '') this.#engine.docker('rm', '--force', ...left.split('\n'))
    this.#engine.docker('network', 'prune', '--force')
    return this.#engine
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine?.[Symbol.asyncDispose]()
  }
}
