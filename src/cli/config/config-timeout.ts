/** How long a config may take: long enough for one that asks a service for something, and settable. Anyone who waits is told for what. */

import { parseDuration } from '../../core/values/quantity.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Context } from '../context.ts'
import { formatTook } from '../render/quantity.ts'
import type { LoadConfigOptions, LoadedConfig } from '../tools.ts'

const defaultLimitMs = 30_000
/** A timer of Node holds 2^31 - 1 ms. */
const longestLimitMs = 24 * 3_600_000

/** Throws `E_USAGE` for a limit that is none. */
export async function loadPatiently(
  context: Context,
  options: Omit<LoadConfigOptions, 'limitMs' | 'onSlow'>,
): Promise<LoadedConfig> {
  const limitMs = readLimit(context)
  const onSlow = (elapsedMs: number): void =>
    context.terminal.note(
      `still evaluating ${options.file ?? 'the config'} (${formatTook(elapsedMs)} so far, at most ${formatTook(limitMs)}: DARUMA_CONFIG_TIMEOUT)`,
    )
  return context.tools.loadConfig({ ...options, limitMs, onSlow })
}

function readLimit({ environment }: Context): number {
  const text = environment['DARUMA_CONFIG_TIMEOUT'] ?? ''
  if (text === '') return defaultLimitMs
  const limitMs = parseDuration(text)
  if (limitMs !== null && limitMs > 0 && limitMs <= longestLimitMs) return limitMs
  throw new DarumaError('E_USAGE', `DARUMA_CONFIG_TIMEOUT is "${text}", which is not a duration of at most a day.`, {
    hint: 'For example: DARUMA_CONFIG_TIMEOUT=90s daruma up',
  })
}
