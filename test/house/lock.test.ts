/** `npm ci` refuses a lock file that leaves a platform out, on every platform: ours must be whole. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { completeLock, type LockedPackages } from '../../scripts/complete-lock.ts'
import { root } from '../../scripts/tree.ts'

test('the lock file has an entry for every platform of every native package', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { readonly packages: LockedPackages }
  const missing = Object.keys(completeLock(packages)).filter((path) => !(path in packages))
  assert.deepEqual(missing, [], 'node scripts/complete-lock.ts adds them')
})

test('a platform that is missing is added where Node would look for it, and nothing is added twice', () => {
  const names = { '@a/binding-linux-x64-musl': '2.0.0', '@a/darwin-arm64': '2.0.0', fsevents: '~2.3' }
  const packages: LockedPackages = {
    '': {},
    'node_modules/@a/darwin-arm64': { version: '1.0.0', optional: true },
    'node_modules/a': { version: '2.0.0', license: 'MIT', dev: true, optionalDependencies: names },
    'node_modules/b/node_modules/a': { version: '2.0.0', optionalDependencies: names },
  }
  const added = { version: '2.0.0', dev: true, license: 'MIT', optional: true }
  const completed = completeLock(packages)
  assert.deepEqual(completed, {
    ...packages,
    'node_modules/@a/binding-linux-x64-musl': { ...added, cpu: ['x64'], os: ['linux'], libc: ['musl'] },
    'node_modules/a/node_modules/@a/darwin-arm64': { ...added, cpu: ['arm64'], os: ['darwin'] },
    'node_modules/b/node_modules/@a/darwin-arm64': { version: '2.0.0', cpu: ['arm64'], os: ['darwin'], optional: true },
  })
  assert.deepEqual(completeLock(completed), completed)
})
