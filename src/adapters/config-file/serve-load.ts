/** The thread's side of `guarded.ts`: loads the config, and says when the user's own code is over. */

import { parentPort, workerData } from 'node:worker_threads'

import type { GuardedOptions, LoadMessage } from './guarded.ts'
import { loadConfig, type LoadOptions } from './index.ts'

export async function serveLoad(tools: Required<Pick<LoadOptions, 'loadCron' | 'readSource'>>): Promise<void> {
  const say = (message: LoadMessage): void => parentPort?.postMessage(message)
  try {
    const options = workerData as Omit<GuardedOptions, 'entry' | 'onSlow'>
    const onEvaluating = (): void => say({ kind: 'begins' })
    const onEvaluated = (): void => say({ kind: 'evaluated' })
    const loaded = await loadConfig({ ...options, ...tools, onEvaluating, onEvaluated })
    say({ kind: 'loaded', loaded })
  } catch (error) {
    say({ kind: 'bug', stack: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
}
