/** What is to be known about the connection. It lies over the page's foot, so that nothing moves when it comes and goes. */

import type { JSX } from 'preact'
import { formatTime } from '../state/format.ts'
import { useLive } from '../state/use-live.ts'

export function Notice(): JSX.Element {
  const { connection, notice, overview } = useLive()
  const isLost = connection.kind === 'lost' && overview !== null
  const text = isLost
    ? `Not connected to the daemon since ${formatTime(new Date(connection.sinceMs).toISOString()).slice(0, 8)}. What you see is from then; the services keep running. Trying again…`
    : notice
  return (
    <div class="notice-place" role="status">
      {text !== null && <p class={isLost ? 'notice lost' : 'notice'}>{text}</p>}
    </div>
  )
}
