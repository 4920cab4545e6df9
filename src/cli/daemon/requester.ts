/** Who asks, as a second person who has to wait will read it. The words are the command's, without anything that could be a secret. */

import type { Requester } from '../../protocol/api.ts'
import type { Context } from '../context.ts'

export function requester(context: Context, command: string, file: string | null): Requester {
  return { pid: context.pid, user: context.userName, command, file }
}
