/** What the tests of the config share: a config goes in, one service or the refusals as lines come out. */

import assert from 'node:assert/strict'
import { type ConfigContext, normaliseConfig } from '../../src/core/config/normalise.ts'
import type { Project, Service } from '../../src/core/model/service.ts'

const context: ConfigContext = {
  directory: '/srv/shop',
  stage: null,
  root: true,
  hostMemoryBytes: 8 * 1024 ** 3,
  wallTime: null,
}

export interface Written {
  readonly services: Readonly<Record<string, unknown>>
  readonly balancer?: unknown
}

export function projectOf(written: Written, changes: Partial<ConfigContext> = {}): Project {
  const answer = normaliseConfig({ name: 'shop', ...written }, { ...context, ...changes })
  assert.ok(answer.ok, JSON.stringify(answer))
  return answer.project
}

/** The service `web`, alone in its config. */
export function serviceOf(web: unknown, changes: Partial<ConfigContext> = {}): Service {
  return projectOf({ services: { web } }, changes).services[0]!
}

/** As `CODE path: message | allowed | suggestion`; the path begins below `services`. */
export function refusalsOf(written: Written, changes: Partial<ConfigContext> = {}): readonly string[] {
  const answer = normaliseConfig({ name: 'shop', ...written }, { ...context, ...changes })
  assert.ok(!answer.ok, 'the config was accepted')
  return answer.problems.map(({ code, path, message, allowed, suggestion }) => {
    const place = (path[0] === 'services' ? path.slice(1) : path).join('.')
    return `${code} ${place}: ${message} | ${allowed} | ${suggestion}`
  })
}
