/**
 * Loaded into each test file's process before the file: ends the process when its time is up. Node's own `--test-timeout` is kept by
 * the process that it limits, so a loop without an await, or a handle left open, would hold the whole run forever; a thread of its own
 * does not wait for the main one.
 */
import { Worker, isMainThread } from 'node:worker_threads'

const watchman = `
const { workerData } = require('node:worker_threads')
setTimeout(() => {
  require('node:fs').writeSync(2, 'still running after ' + workerData.limitMs / 1000 + ' s, ended: ' + workerData.file + '\\n')
  process.kill(process.pid, 'SIGKILL')
}, workerData.limitMs)
`

if (isMainThread && process.env['NODE_TEST_CONTEXT'] !== undefined) {
  const limitMs = Number(process.env['TEST_FILE_LIMIT_MS'] ?? 300_000)
  new Worker(watchman, { eval: true, workerData: { limitMs, file: process.argv[1] }, execArgv: [] }).unref()
}
