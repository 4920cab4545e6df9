import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { runInNewContext } from 'node:vm'
import { acmeKeys, balancerKeys, balancerLimitsKeys } from './balancer-keys.ts'
import { imageKeys, registryKeys } from './container-keys.ts'
import { healthKeys, httpKeys, probeKeys } from './health-keys.ts'
import type { AnyKeyTable } from './key-table.ts'
import { canaryKeys, logsKeys, restartKeys, stopKeys, updateKeys } from './policy-keys.ts'
import { ProblemList } from './problem-list.ts'
import { renderConfigReference } from './reference.ts'
import { proxyProtocolKeys, routeKeys, tlsKeys } from './route-keys.ts'
import { scheduleKeys } from './schedule-keys.ts'
import { configKeys, serviceKeys } from './service-keys.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const tables: readonly object[] = [
  configKeys,
  serviceKeys,
  healthKeys,
  probeKeys,
  httpKeys,
  stopKeys,
  restartKeys,
  updateKeys,
  canaryKeys,
  logsKeys,
  imageKeys,
  registryKeys,
  scheduleKeys,
  routeKeys,
  tlsKeys,
  proxyProtocolKeys,
  balancerKeys,
  balancerLimitsKeys,
  acmeKeys,
]

test('docs/reference/config.md is what the key tables say (else: node scripts/docs.ts)', () => {
  assert.equal(read('../../../docs/reference/config.md'), renderConfigReference())
})

test('the sdk explains every key in the words of its table', () => {
  const sdk = ['balancer.ts', 'config.ts', 'container.ts', 'route.ts', 'schedule.ts', 'service.ts']
    .map((name) => read(`../../sdk/${name}`).replaceAll(/\s*\n\s*(?:\*(?!\/))?\s*/g, ' '))
    .join(' ')
  const missing = tables.flatMap((table) =>
    Object.entries(table as AnyKeyTable)
      // The short form's `retries` is the one key whose meaning depends on where it stands.
      .filter(([name]) => !(table === healthKeys && name === 'retries'))
      .filter(([name, { prose }]) => !new RegExp(`${escape(prose)} [^*]*\\*/ readonly ${name}\\??:`).test(sdk))
      .map(([name, { prose }]) => `${name}: ${prose}`),
  )
  assert.deepEqual(missing, [])
})

test('every example is accepted by the reader of its key', () => {
  const secret = Object.assign((name: string) => ({ from: 'environment', name }), {
    file: (path: string) => ({ from: 'file', path }),
  })
  for (const [name, { example, reader }] of tables.flatMap((table) => Object.entries(table as AnyKeyTable))) {
    const value: unknown = runInNewContext(`(${example})`, { secret })
    const problems = new ProblemList()
    assert.notEqual(reader.read(value, null, problems), undefined, `${name}: ${example}`)
    assert.deepEqual(problems.toArray(), [], `${name}: ${example}`)
  }
})

const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
