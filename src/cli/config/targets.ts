/** Checking the services and slots that a person named against those that there are, before the daemon is asked for anything. */

import type { StatusAnswer } from '../../protocol/api.ts'
import type { Client } from '../daemon/client.ts'
import type { Invocation } from '../tree/invocation.ts'
import { unknownService } from './desired.ts'

/** A service that left longer ago than this many revisions has no log any more. */
const revisionsSearched = 20

/**
 * What was named as arguments and by `--only`, for commands that look back: services or slots, also those of the last revisions. What
 * failed at the first `up` is in no status, and its log is just what is looked for. Throws `E_SERVICE_UNKNOWN`.
 */
export async function namedTargets(client: Client, status: StatusAnswer, invocation: Invocation): Promise<readonly string[]> {
  const named = [...new Set([...invocation.words, ...invocation.list('only')])]
  const services = status.services.map((service) => service.service as string)
  const known = new Set([...services, ...status.instances.map((instance) => instance.slot as string)])
  // What begins with @ is Daruma's own: the daemon knows whether there is one.
  const strangers = named.filter((name) => !name.startsWith('@') && !known.has(name) && !services.includes(serviceOf(name)))
  if (strangers.length === 0) return named
  const former = await formerServices(client)
  const stranger = strangers.map(serviceOf).find((service) => !former.has(service))
  if (stranger !== undefined) throw unknownService(stranger, services.length === 0 ? former : services)
  return named
}

/** A slot that is gone may still have a log and events. */
const serviceOf = (target: string): string => target.replace(/\/[\d:.TZ-]+$/, '')

async function formerServices(client: Client): Promise<ReadonlySet<string>> {
  const names = new Set<string>()
  for (const { number } of (await client.revisions()).slice(0, revisionsSearched))
    for (const { name } of (await client.revision(number)).project.services) names.add(name)
  return names
}

/** The services that were named; empty for "all", which the daemon knows best. Throws `E_SERVICE_UNKNOWN`. */
export function namedServices(status: StatusAnswer, invocation: Invocation): readonly string[] {
  const services = status.services.map((service) => service.service as string)
  const named = [...new Set([...invocation.words, ...invocation.list('only')])]
  const stranger = named.find((name) => !services.includes(name))
  if (stranger !== undefined) throw unknownService(stranger, services)
  return named
}
