/** What the counting upstreams wrote down, held against what the generator sent: nothing twice, nothing answered that was not done. */

import { readFileSync } from 'node:fs'
import type { LoadResult } from './load.ts'

export interface Account {
  /** Executed more than once, with how often. */
  readonly repeated: readonly { readonly id: string; readonly times: number }[]
  /** Answered with success, and nobody executed them. */
  readonly lost: readonly string[]
  /** Failed for the client, though somebody executed them: counted, not forbidden. */
  readonly doneButFailed: number
  readonly executed: number
}

export function settle(result: LoadResult, ledgerFile: string): Account {
  const times = executions(ledgerFile, result.run)
  if (result.failures.length < result.failed)
    throw new Error(`only ${result.failures.length} of ${result.failed} failures are listed`)
  const failed = new Set(result.failures.map(({ id }) => id))
  const ids = Array.from({ length: result.posts }, (_, number) => `${result.run}-p${number}`)
  return {
    repeated: ids.flatMap((id) => ((times.get(id) ?? 0) > 1 ? [{ id, times: times.get(id) ?? 0 }] : [])),
    lost: ids.filter((id) => !times.has(id) && !failed.has(id)),
    doneButFailed: ids.filter((id) => times.has(id) && failed.has(id)).length,
    executed: times.size,
  }
}

/** How often each POST of that run was executed. A line without an end was being written when the upstream was killed: it counts. */
function executions(file: string, run: string): ReadonlyMap<string, number> {
  const times = new Map<string, number>()
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const id = line.slice(0, line.indexOf(' '))
    if (id.startsWith(`${run}-`)) times.set(id, (times.get(id) ?? 0) + 1)
  }
  return times
}
