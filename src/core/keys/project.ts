/** The keys of a config, and a project in normal form: what a revision holds. */

import { checkName, nameRule } from '../values/name.ts'
import { anyText, listOf, objectOf, orNull, type Shape } from '../values/shape.ts'
import { isPlainObject, type PlainObject, type Reader, refuseType } from '../values/value-type.ts'
import { balancer, type BalancerSettings, type WrittenBalancer } from './balancer.ts'
import { objectBy, type WrittenKeys } from './key.ts'
import { notify, type NotifyTarget, notifyTargetShape, type PlacedNotify } from './notify.ts'
import { type Service, serviceShape } from './service.ts'

/** One accepted config in normal form. Services are sorted by name. */
export interface Project {
  readonly name: string
  readonly stage: string | null
  readonly balancer: BalancerSettings
  readonly notify: readonly NotifyTarget[]
  readonly services: readonly Service[]
}

export interface WrittenConfig {
  readonly name?: string
  readonly services?: PlainObject
  readonly balancer?: WrittenBalancer
  readonly notify?: readonly PlacedNotify[]
}

const projectName: Reader<string> = {
  accepts: `a name of ${nameRule}`,
  read(value, at, problems) {
    if (typeof value !== 'string') return refuseType(value, this.accepts, at, problems)
    return checkName(value, 'project', at, problems) ? value : undefined
  },
}

/** The services are read one by one afterwards. */
const services: Reader<PlainObject> = {
  accepts: "an object of name → service, such as { web: { command: 'node server.js' } }",
  read(value, at, problems) {
    return isPlainObject(value) ? value : refuseType(value, this.accepts, at, problems)
  },
}

export const configKeys: WrittenKeys<WrittenConfig> = {
  name: {
    type: projectName,
    prose: 'The name of the project. Another name is another project, with a state of its own.',
    example: "'shop'",
  },
  services: {
    type: services,
    prose: 'What runs, by name; at most 10,000.',
    example: "{ web: { command: 'node server.js' } }",
  },
  balancer: {
    type: balancer,
    defaultWords: 'see [balancer](#balancer)',
    prose: 'The balancer in front of all routes.',
    example: "{ acme: { email: 'ops@example.com' } }",
  },
  notify: {
    type: notify,
    defaultWords: 'none: no notices are sent',
    prose: 'Where to send a notice when something is in trouble, and when that is over; see [notify](#notify).',
    example: "{ webhook: 'https://hooks.example.com/daruma' }",
  },
}

export const readConfig: Reader<WrittenConfig> = objectBy('config', configKeys)

export const projectShape: Shape<Project> = objectOf<Project>({
  name: anyText,
  stage: orNull(anyText),
  balancer: balancer.shape,
  notify: listOf(notifyTargetShape),
  services: listOf(serviceShape),
})
