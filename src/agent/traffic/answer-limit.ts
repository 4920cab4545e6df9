/** An answer, or an error after a while: anything that waits for a program that hangs must not hang with it. */

import type { Clock, Timer } from '../../ports/clock.ts'

export async function within<Answer>(
  clock: Clock,
  answer: Promise<Answer>,
  limitMs: number,
  tooLate: () => Error,
): Promise<Answer> {
  let timer: Timer | null = null
  const limit = new Promise<never>((_resolve, reject) => {
    timer = clock.after(limitMs, () => reject(tooLate()))
  })
  return Promise.race([answer, limit]).finally(() => timer?.cancel())
}
