/** Asking before something happens. Anyone who cannot be asked must have said -y: a script never changes anything by accident. */

import { DarumaError } from '../../ports/error.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'

/** Anything but yes is no. */
export async function confirm(context: Context, invocation: Invocation, question: string): Promise<boolean> {
  if (invocation.has('yes')) return true
  const { terminal } = context
  if (!terminal.canAsk || invocation.json) {
    throw new DarumaError('E_CONFIRMATION', 'This needs confirmation, and there is no terminal to ask on.', {
      hint: 'Run it again with -y (or --yes) if you mean it.',
    })
  }
  const answer = await terminal.ask(`${terminal.palette.bold(question)} [y/N] `)
  if (/^(?:y|yes|はい)$/i.test(answer)) return true
  terminal.note('Nothing was changed.')
  return false
}
