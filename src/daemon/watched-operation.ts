/** An operation and whoever watches it: its lines are told as they come, and kept for those who come late. */

import type { OperationLine } from '../protocol/api.ts'
import type { OperationRecord } from './records.ts'

export interface Watched {
  readonly record: OperationRecord
  readonly lines: OperationLine[]
  readonly followers: Set<(line: OperationLine) => void>
  readonly startedMs: number
}

/** An operation's lines are kept for late watchers, within reason. */
export const maxLines = 2000

export function say(watched: Watched, line: OperationLine): void {
  if (watched.lines.length < maxLines || line.kind !== 'progress') watched.lines.push(line)
  for (const follower of watched.followers) follower(line)
}
