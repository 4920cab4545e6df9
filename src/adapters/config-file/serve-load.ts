/** The thread's side of `guarded.ts`: loads the config, and says when the user's own code is over. */

import { parentPort, workerData } from 'node:worker_threads'

import type { Cron } from '../../ports/cron.ts'
import type { GuardedOptions, LoadMessage } from './guarded.ts'
import { loadConfig } from './index.ts'

export async function serveLoad(loadCron: () => Promise<Cron>): Promise<void> {
  const say = (message: LoadMessage): void => parentPort?.postMessage(message)
  try {
    const options = workerData as Omit<GuardedOptions, 'entry' | 'onSlow'>
    const loaded = await loadConfig({ ...options, loadCron, onEvaluated: () => say({ kind: 'evaluated' }) })
    say({ kind: 'loaded', loaded })
  } catch (error) {
    say({ kind: 'bug', stack: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
}
