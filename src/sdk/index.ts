/**
 * What a config imports: `import { define, secret } from 'daruma'`. It makes data and does nothing else; whether the data is
 * right is decided when the config is loaded, so that a config in plain JavaScript gets the same answers as the types give.
 */

import type { Config, ConfigFunction } from './config.ts'

export type { Acme, Balancer, BalancerLimits } from './balancer.ts'
export type { Command } from './command.ts'
export type { Config, ConfigFunction, Context } from './config.ts'
export type { Image, Registry } from './container.ts'
export type { NoticeTopic, Notify, NotifyCommand, NotifyWebhook } from './notify.ts'
export type { ProxyProtocol, Route, TlsFiles } from './route.ts'
export type { Schedule } from './schedule.ts'
export type { Secret } from './secret.ts'
export { secret } from './secret.ts'
export type { Duration, Size } from './quantity.ts'
export type { Build, Source } from './source.ts'
export type { Canary, Environment, Health, Probe, Restart, Service, Stop, Update } from './service.ts'

/**
 * Declares a project: an object, or a function of the stage that returns one.
 *
 * @example
 * export default define({ name: 'shop', services: { web: { command: 'node server.js', replicas: 3 } } })
 */
export function define(config: Config | ConfigFunction): Config | ConfigFunction {
  return config
}
