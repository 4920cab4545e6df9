/**
 * What a slot's log holds, for tests: exactly the bytes that were written. Where no collector runs (a runtime without a daemon), this
 * process takes in what waits in the pipes, under the collector's own lock; else it waits until the collector has.
 */

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import { hangLimit } from '../hang-limit.ts'
import { libc } from '../../src/system/libc.ts'
import { Collector } from '../../src/host/logs/collector.ts'
import { listSegments } from '../../src/host/logs/segments.ts'

const settleLimitMs = hangLimit(5000)

export function readSlotLogText(state: string, slotName: string): string {
  return readLogIn(state, join(state, 'slots', slotName))
}

/** By the slot's directory, wherever in the state it is. */
export function readLogIn(state: string, directory: string): string {
  settle(state, directory)
  return listSegments(directory)
    .map(({ path }) => readFileSync(path, 'utf8'))
    .join('')
}

function settle(state: string, directory: string): void {
  const host = join(state, 'host')
  mkdirSync(host, { recursive: true })
  const lock = openSync(join(host, 'collector.lock'), 'a')
  try {
    if (libc().lock(lock)) {
      const collector = new Collector(state, () => {})
      collector.round(0)
      collector.close()
      return
    }
  } finally {
    closeSync(lock)
  }
  const deadline = performance.now() + settleLimitMs
  while (unreadBytes(directory) > 0 && performance.now() < deadline) libc().sleep(2)
}

function unreadBytes(directory: string): number {
  if (!existsSync(directory)) return 0
  let sum = 0
  for (const name of readdirSync(directory)) {
    if (!name.endsWith('.out')) continue
    const pipe = openSync(join(directory, name), 'r+')
    try {
      sum += libc().unreadBytes(pipe)
    } finally {
      closeSync(pipe)
    }
  }
  return sum
}
