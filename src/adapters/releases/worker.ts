/** The worker thread of releases: hashing, copying and syncing thousands of files takes seconds, in which no probe may wait. */

import assert from 'node:assert/strict'
import { parentPort, workerData } from 'node:worker_threads'
import { DarumaError } from '../../ports/error.ts'
import { BlobWriter } from './blob-writer.ts'
import { FrameReader } from './frames.ts'
import type { FromWorker, Task, ToWorker } from './messages.ts'
import { noSpace, ReleaseStore } from './store.ts'

const port = parentPort
assert(port, 'this file is the entry of a worker thread')
const { directory, isFirst } = workerData as { readonly directory: string; readonly isFirst: boolean }
let store: ReleaseStore | null = null
let stream: { readonly writer: BlobWriter; readonly reader: FrameReader } | null = null

port.on('message', ({ id, task }: ToWorker) => {
  let message: FromWorker
  try {
    message = { id, answer: carryOut(task) }
  } catch (error) {
    message = { id, failure: explain(error) }
  }
  port.postMessage(message)
})

function carryOut(task: Task): unknown {
  store ??= new ReleaseStore(directory, isFirst)
  switch (task.kind) {
    case 'begin':
      return store.begin(task.given)
    case 'open': {
      const writer = new BlobWriter(store.layout)
      stream = { writer, reader: new FrameReader(writer) }
      return null
    }
    case 'part':
      assert(stream, 'no stream is open')
      stream.reader.push(task.given)
      return null
    case 'close':
      assert(stream, 'no stream is open')
      stream.reader.finish()
      stream.writer.commit()
      stream = null
      return null
    case 'abandon':
      stream?.writer.abandon()
      stream = null
      return null
    case 'seal':
      store.seal(task.given)
      return null
    case 'manifest':
      return store.manifestText(task.given)
    case 'content':
      return store.content(task.given.sha256, task.given.mostBytes)
    case 'makeTree':
      return store.makeTree(task.given)
    case 'prepareBuild':
      return store.prepareBuild(task.given.request, task.given.owner)
    case 'sealBuild':
      store.sealBuild(task.given)
      return null
    case 'dropBuild':
      store.dropBuild(task.given)
      return null
    case 'collect':
      return store.collect(task.given)
  }
}

function explain(error: unknown): NonNullable<FromWorker['failure']> {
  if (error instanceof DarumaError) return { code: error.code, message: error.message, hint: error.hint }
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return explain(noSpace('the disk is full'))
  return { code: 'E_RELEASE_STORE', message: `The store of releases failed: ${message}`, hint: null }
}
