/**
 * Loads a config in a thread of its own, because it is a program: one that loops forever is ended at its time limit, one that calls
 * `process.exit` ends its thread and not the command, and what it prints goes to stderr, so that `--json` stays JSON. Only data comes
 * back. The thread's entry is `main/load-config.ts`, which calls `serve-load.ts`.
 */

import { SHARE_ENV, Worker } from 'node:worker_threads'

import { findConfig } from './find.ts'
import type { LoadedConfig, LoadOptions } from './index.ts'

export interface GuardedOptions extends Omit<LoadOptions, 'loadCron' | 'onEvaluating' | 'onEvaluated' | 'readSource'> {
  readonly entry: URL
  /** From the first to the last of the config's own code. */
  readonly limitMs: number
  /** Called once when the config takes long, with the time so far. */
  readonly onSlow: (elapsedMs: number) => void
}

export type LoadMessage =
  | { readonly kind: 'begins' }
  | { readonly kind: 'evaluated' }
  | { readonly kind: 'loaded'; readonly loaded: LoadedConfig }
  | { readonly kind: 'bug'; readonly stack: string }

/** It parses a module without running it (`module-hooks.ts`), and says nothing of how new that is. */
const threadFlags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning']
/** A person begins to wonder. */
const slowAfterMs = 3000
/** A promise that does not settle is refused by the thread itself, which knows which one it is, and may need its time on a busy machine. */
const selfRefusalMs = 1500
/** Until the thread begins: nobody's fault but the machine's. */
const beginLimitMs = 60_000

export async function loadGuarded({ entry, onSlow, ...options }: GuardedOptions): Promise<LoadedConfig> {
  const worker = new Worker(entry, { workerData: options, stdout: true, stderr: true, env: SHARE_ENV, execArgv: threadFlags })
  for (const stream of [worker.stdout, worker.stderr]) stream.on('data', (text: Buffer) => process.stderr.write(text))
  const startedMs = performance.now()
  const slow = setTimeout(() => onSlow(performance.now() - startedMs), slowAfterMs)
  let limit: NodeJS.Timeout | undefined
  const stopClock = (): void => {
    clearTimeout(slow)
    clearTimeout(limit)
  }
  try {
    return await new Promise<LoadedConfig>((resolve, reject) => {
      let isRefused = false
      // The first cause is the cause: a thread that threw exits too.
      const refuse = (code: string, message: string, allowed: string | null): void => {
        if (isRefused) return
        isRefused = true
        void refusal(options, { code, message, allowed }).then(resolve, reject)
      }
      const startClock = (moreMs: number): void => {
        clearTimeout(limit)
        limit = setTimeout(() => {
          const message = `the config was not evaluated in time: it still ran after ${options.limitMs / 1000} s without a pause, as a loop that does not end does`
          refuse('E_CONFIG_SLOW', message, limitAdvice)
        }, options.limitMs + moreMs)
      }
      startClock(beginLimitMs)
      worker.on('message', (message: LoadMessage) => {
        if (message.kind === 'begins') startClock(selfRefusalMs)
        else if (message.kind === 'evaluated') stopClock()
        else if (message.kind === 'loaded') resolve(message.loaded)
        else reject(Object.assign(new Error('loading the config failed'), { stack: message.stack }))
      })
      worker.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') refuse('E_CONFIG_THREW', 'the config used up its memory', null)
        else
          refuse(
            'E_CONFIG_THREW',
            `the config threw ${error.name}: ${error.message.split('\n', 1)[0]} (in no call of ours)`,
            null,
          )
      })
      worker.once('exit', (code) =>
        refuse('E_CONFIG_THREW', `the config called process.exit(${code})`, 'a config that throws when something is wrong'),
      )
    })
  } finally {
    stopClock()
    await worker.terminate()
  }
}

const limitAdvice: string = 'a config that is data; DARUMA_CONFIG_TIMEOUT=60s gives it more time'

/** Of the file as a whole: where it was when its thread ended, nobody knows. */
async function refusal(
  options: Pick<LoadOptions, 'file' | 'cwd'>,
  problem: { readonly code: string; readonly message: string; readonly allowed: string | null },
): Promise<LoadedConfig> {
  const found = await findConfig(options)
  const place = { path: [], suggestion: null, file: found.file, line: null, column: null, source: null }
  return { ok: false, file: found.file, problems: [{ ...problem, ...place }] }
}
