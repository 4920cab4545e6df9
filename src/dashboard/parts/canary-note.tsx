/** How a new revision that is being tried out stands. */

import type { JSX } from 'preact'
import type { ServiceStatus } from '../../protocol/api.ts'
import { formatDuration, plural } from '../state/format.ts'

type Canary = NonNullable<ServiceStatus['canary']>

export function CanaryNote({ canary }: { readonly canary: Canary }): JSX.Element {
  const { share, forMs, heldMs, requests, failed } = canary
  const percent = Number((share * 100).toPrecision(2))
  const text = `canary: ${percent} %, ${formatDuration(forMs - heldMs)} left; ${failed} of ${plural(requests, 'request')} failed`
  return (
    <span class="reason tone-busy" title={text}>
      {text}
    </span>
  )
}
