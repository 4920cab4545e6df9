/**
 * The worker thread: it has the database open and waits for batches. It exists so that an fsync on a slow disk holds up nobody's
 * probe, socket or timer. While it is idle it empties the log, so that the database file alone is complete.
 */

import assert from 'node:assert/strict'
import { parentPort, workerData } from 'node:worker_threads'
import { Database } from './database.ts'
import { explainError } from './errors.ts'
import type { FromWorker, ToWorker } from './messages.ts'

/** Long enough that a busy daemon never pays for it, short enough that a copied file is rarely an old one. */
const idleMs = 1000

const port = parentPort
assert(port, 'this file is the entry of a worker thread')
const file: string = workerData.file
const answer = (message: FromWorker): void => port.postMessage(message)

const database = open()
if (database !== null) serve(database)

function open(): Database | null {
  try {
    return new Database(file)
  } catch (error) {
    answer({ kind: 'not-opened', failure: explainError(error, file) })
    return null
  }
}

function serve(database: Database): void {
  let idle: NodeJS.Timeout | undefined
  port!.on('message', (message: ToWorker) => {
    clearTimeout(idle)
    if (message.kind === 'close') {
      database.close()
      port!.close()
      return
    }
    answer({ kind: 'answers', outcomes: database.run(message.requests) })
    if (message.requests.some((request) => request.kind === 'transact' || request.kind === 'compact')) {
      idle = setTimeout(() => {
        const failure = database.checkpoint()
        if (failure !== null) answer({ kind: 'warning', message: failure.message })
      }, idleMs)
    }
  })
  answer({ kind: 'opened' })
}
