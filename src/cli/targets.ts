/** Checking the services and slots that a person named against those that there are, before the daemon is asked for anything. */

import type { StatusAnswer } from '../protocol/api.ts'
import type { Invocation } from './invocation.ts'
import { unknownService } from './desired.ts'

/** What was named as arguments and by `--only`; services or slots. Throws `E_SERVICE_UNKNOWN`. */
export function namedTargets(status: StatusAnswer, invocation: Invocation): readonly string[] {
  const named = [...invocation.words, ...invocation.list('only')]
  const services = status.services.map((service) => service.service as string)
  const slots = status.instances.map((instance) => instance.slot as string)
  const known = new Set([...services, ...slots])
  for (const name of named) {
    // A slot that is gone may still have a log and a story.
    const service = name.replace(/\/[\d:.TZ-]+$/, '')
    if (!known.has(name) && !services.includes(service)) throw unknownService(service, services)
  }
  return [...new Set(named)]
}

/** The services that were named; empty for "all", which the daemon knows best. Throws `E_SERVICE_UNKNOWN`. */
export function namedServices(status: StatusAnswer, invocation: Invocation): readonly string[] {
  const services = status.services.map((service) => service.service as string)
  const named = [...new Set([...invocation.words, ...invocation.list('only')])]
  const stranger = named.find((name) => !services.includes(name))
  if (stranger !== undefined) throw unknownService(stranger, services)
  return named
}
