/** What `status NAME` shows of a service beyond its rows: how it is described in the revision that applies, and what it printed last. */

import type { LogLine, StatusAnswer } from '../../protocol/api.ts'
import type { Client } from '../daemon/client.ts'
import type { ServiceDetails } from '../render/service.ts'

export interface NamedDetails extends ServiceDetails {
  readonly service: string
}

/** Of a service's slots together. */
const lastLineCount = 10
/** The daemon answers from a file; one that cannot must not hold the rest back. */
const limitMs = 5000

/** In the order of `status`; of those in `names`. */
export async function readDetails(
  client: Client,
  status: StatusAnswer,
  names: ReadonlySet<string>,
): Promise<readonly NamedDetails[]> {
  const shown = status.services.filter(({ service }) => names.has(service))
  if (shown.length === 0) return []
  const specs = status.revision === 0 ? [] : (await client.revision(status.revision)).project.services
  return Promise.all(
    shown.map(async ({ service }) => {
      const spec = specs.find(({ name }) => name === service) ?? null
      return { service, spec, lastLines: await readLastLines(client, service) }
    }),
  )
}

async function readLastLines(client: Client, service: string): Promise<readonly LogLine[]> {
  const lines: LogLine[] = []
  const all = client.logs({ services: [service], lines: lastLineCount }, AbortSignal.timeout(limitMs))
  for await (const line of all) if ('line' in line) lines.push(line)
  return lines
}
