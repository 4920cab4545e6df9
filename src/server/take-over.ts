/**
 * What a daemon does first in a state that has taken another one's place (`--take-over`, a directory made again): epochs may have been given out and
 * ticks begun that nothing here remembers. So every slot goes on under a new, far larger claim, and no tick of the past is begun.
 */

import { parseInstant } from '../core/cron/instant.ts'
import { afterTakeOver } from '../core/cron/take-over.ts'
import type { Clock } from '../ports/clock.ts'
import type { StateDirectory } from '../ports/storage/state-directory.ts'
import { maxTransactionOperations } from '../ports/storage/store.ts'
import type { Operation, Store } from '../ports/storage/store.ts'
import { slotOf } from './cron/entry.ts'
import type { ScheduleRecord } from './cron/entry.ts'
import { readLedgers } from './cron/load-ledgers.ts'
import { put, readRecord } from '../ports/storage/json-records.ts'
import { keys } from './records.ts'
import type { SlotRecord } from './records.ts'

/** More claims than a lost original can have issued since it was copied: epochs go on above whatever it gave out. */
const claimsSkipped = 2 ** 20
/** Claims beyond it would leave no room for epochs below 2⁵³. */
const maxClaim = 2 ** 32

export interface TakeOverTools {
  readonly store: Store
  readonly clock: Clock
  readonly directory: Pick<StateDirectory, 'takeOver'>
}

/** The slots' records as they are to be believed. Does nothing for a take-over that the store knows already. */
export async function settleTakeOver(tools: TakeOverTools, records: readonly SlotRecord[]): Promise<readonly SlotRecord[]> {
  const { takeOver } = tools.directory
  if (takeOver === null || takeOver === (await readRecord<string>(tools.store, keys.takeOver))) return records
  const wallMs = parseInstant(tools.clock.wallTime())
  const { first, renewed } = await renewClaims(tools.store, records, wallMs)
  const ledgers = await forgoTicks(tools.store, wallMs)
  // The name of the take-over is written last: until then the next daemon does all of this again, and higher.
  const writes = [...ledgers, ...renewed.map((record) => put(keys.slot(record.slot), record)), put(keys.takeOver, takeOver)]
  for (let from = 0; from < writes.length; from += maxTransactionOperations - 1) {
    const part = writes.slice(from, from + maxTransactionOperations - 1)
    await tools.store.transact({ then: [put(keys.claims, first + records.length), ...part] })
  }
  return renewed
}

/** One backup may be restored more than once: the time of day puts each take-over above the one before, as far as that clock can be believed. */
async function renewClaims(
  store: Store,
  records: readonly SlotRecord[],
  wallMs: number,
): Promise<{ readonly first: number; readonly renewed: readonly SlotRecord[] }> {
  const known = (await readRecord<number>(store, keys.claims)) ?? 0
  const last = records.reduce((most, { claim }) => Math.max(most, claim), known)
  const secondsNow = Math.floor(wallMs / 1000)
  const first = Math.max(last + claimsSkipped, secondsNow < maxClaim ? secondsNow : 0)
  return { first, renewed: records.map((record, index): SlotRecord => ({ ...record, claim: first + index })) }
}

async function forgoTicks(store: Store, wallMs: number): Promise<readonly Operation[]> {
  const ledgers = await readLedgers(store)
  return [...ledgers.values()].flatMap((before) => {
    const { service, runs, ...record } = afterTakeOver(before, wallMs)
    const changed = runs.filter((run) => !before.runs.includes(run))
    return [
      put(keys.schedule(service), record satisfies ScheduleRecord),
      ...changed.map((run) => put(keys.run(slotOf(service, run)), run)),
    ]
  })
}
