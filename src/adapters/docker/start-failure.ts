/** Why a start did not happen, in the port's words. */

import { hasCode } from '../../system/errno.ts'
import { DarumaError } from '../../ports/error.ts'
import type { StartOrder, StartRefusal } from '../../ports/runtime/runtime.ts'
import { EngineSilent, reasonOf } from './engine/errors.ts'

export function explainStartFailure(error: unknown, order: StartOrder): StartRefusal {
  if (error instanceof EngineSilent) return { kind: 'engine-away', message: error.message }
  const message = error instanceof DarumaError ? describe(error) : `${order.slot}: ${reasonOf(error)}`
  const isFull = hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT') || /no space left on device/.test(message)
  return isFull ? { kind: 'no-space', message } : { kind: 'failed', message }
}

const describe = ({ message, code, hint }: DarumaError): string => `${message} (${code})${hint === null ? '' : `: ${hint}`}`
