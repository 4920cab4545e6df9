/** All tables of keys, each with the name of its section in the reference. What walks over every key begins here. */

import { acmeObject, balancer, balancerLimits } from './balancer.ts'
import type { AnyKeys } from './key.ts'
import { notifyKeys } from './notify.ts'
import { configKeys } from './project.ts'
import { serviceKeys } from './service.ts'
import { imageKeys, registryKeys } from './service/container.ts'
import { healthKeys, httpKeys, probeKeys } from './service/health.ts'
import { logs } from './service/limits.ts'
import { restart } from './service/restart.ts'
import { proxyProtocol, routeKeys, tlsKeys } from './service/route.ts'
import { schedule } from './service/schedule.ts'
import { build, source } from './source.ts'
import { stop } from './service/stop.ts'
import { canary, update } from './service/update.ts'

export const tables: Readonly<Record<TableName, AnyKeys>> = {
  config: configKeys,
  service: serviceKeys,
  health: healthKeys,
  probe: probeKeys,
  http: httpKeys,
  stop: stop.keys,
  restart: restart.keys,
  update: update.keys,
  canary: canary.keys,
  logs: logs.keys,
  image: imageKeys,
  registry: registryKeys,
  schedule: schedule.keys,
  source: source.keys,
  build: build.keys,
  route: routeKeys,
  tls: tlsKeys,
  'proxy-protocol': proxyProtocol.keys,
  balancer: balancer.keys,
  limits: balancerLimits.keys,
  acme: acmeObject.keys,
  notify: notifyKeys,
}

export type TableName =
  | 'config'
  | 'service'
  | 'health'
  | 'probe'
  | 'http'
  | 'stop'
  | 'restart'
  | 'update'
  | 'canary'
  | 'logs'
  | 'image'
  | 'registry'
  | 'schedule'
  | 'source'
  | 'build'
  | 'route'
  | 'tls'
  | 'proxy-protocol'
  | 'balancer'
  | 'limits'
  | 'acme'
  | 'notify'
