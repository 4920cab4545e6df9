/**
 * Makes a directory's entries durable for many callers at once: anything that comes while a sync is under way shares the next one, because the one
 * that runs may have begun before his entry was there. So a thousand new slots cost a few syncs of their common folder, and none of them
 * waits in the event loop.
 */

import { closeSync, fsync, openSync } from 'node:fs'
import { promisify } from 'node:util'

interface Syncs {
  readonly running: Promise<void>
  next: Promise<void> | null
}

const byPath = new Map<string, Syncs>()

/** Resolves when everything that was in the directory (or file) at the time of the call is durable. */
export function syncTogether(path: string): Promise<void> {
  const present = byPath.get(path)
  if (present === undefined) return begin(path)
  // Its own begin, when the running one is over, whichever way it ended.
  present.next ??= present.running.then(
    () => begin(path),
    () => begin(path),
  )
  return present.next
}

function begin(path: string): Promise<void> {
  const running = sync(path).finally(() => {
    if (byPath.get(path)?.next === null) byPath.delete(path)
  })
  byPath.set(path, { running, next: null })
  return running
}

async function sync(path: string): Promise<void> {
  // Opening what is there waits for nothing; file handles of promises cost ten times as much.
  const descriptor = openSync(path, 'r')
  try {
    await syncAll(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

const syncAll = promisify(fsync)
