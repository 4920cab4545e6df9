/** An operation and anything that watches it: its lines are told as they come, and kept for those who come late. */

import type { OperationRecord } from '../records.ts'
import type { OutgoingLine } from '../redacted.ts'

export interface Watched {
  readonly record: OperationRecord
  readonly lines: OutgoingLine[]
  readonly followers: Set<(line: OutgoingLine) => void>
  readonly startedMs: number
}

/** An operation's lines are kept for late watchers, within reason. */
export const maxLines = 2000

export function say(watched: Watched, line: OutgoingLine): void {
  if (watched.lines.length < maxLines || line.kind !== 'progress') watched.lines.push(line)
  for (const follower of watched.followers) follower(line)
}
