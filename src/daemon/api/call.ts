/** What routes need of a call: its numbers, its signal, a pause. */

import type { Call } from '../../ports/api.ts'
import type { Clock } from '../../ports/clock.ts'
import { DarumaError } from '../../ports/error.ts'

/** Resolves when the signal fires or `done` is called. */
export function until(signal: AbortSignal): { readonly over: Promise<void>; readonly done: () => void } {
  let done: () => void = () => {}
  const over = new Promise<void>((resolve) => {
    done = resolve
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
  })
  return { over, done }
}

export function readOptionalNumber(call: Call, name: string): number | null {
  return call.query.get(name) === null ? null : readNumber(call, name, 0)
}

export function readNumber(call: Call, name: string, fallback: number): number {
  const value = call.query.get(name)
  if (value === null) return fallback
  const number = Number(value)
  if (!Number.isSafeInteger(number) || number < 0) {
    throw new DarumaError('E_REQUEST_INVALID', `${name}=${value} is not a whole number from 0.`)
  }
  return number
}

export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', stop)
      resolve()
    }
    const timer = clock.after(delayMs, stop)
    signal.addEventListener('abort', stop)
  })
}
