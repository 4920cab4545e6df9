/** The house rules, held against the repository; and each rule shown a sample that breaks it, so that it is known to be able to fail. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blindness, tidyRepository } from '../../scripts/tidy/repository.ts'
import { registryProblems } from '../../scripts/tidy/registry.ts'
import { tidy } from '../../scripts/tidy/rules.ts'
import { readSource } from '../../scripts/tidy/source.ts'

/** Runs the rules over made-up files; each gets a header unless it brings its own. */
function judge(files: Readonly<Record<string, string>>): readonly string[] {
  const sources = Object.entries(files).map(([path, text]) =>
    readSource(path, text.startsWith('#') ? text.slice(1) : `/** A sample. */\n${text}`),
  )
  return tidy(sources).map(({ path, message }) => `${path} ${message}`)
}

const anything = 'export const a: number = 1\n'

test('this repository keeps its own rules, and every file was looked at', () => {
  const { sources, texts, violations } = tidyRepository()
  assert.deepEqual(violations, [])
  assert.ok(sources > 20 && texts > sources, `${sources} sources and ${texts} texts`)
})

test('a file that keeps the rules is accepted on every floor', () => {
  const verdict = judge({
    'src/core/model/id.ts': anything,
    'src/core/plan/plan.ts': `import { a } from '../model/id.ts'\n${anything}`,
    'src/sdk/index.ts': `import type { a } from '../core/model/id.ts'\n`,
    'src/protocol/schema.ts': `import { a } from '../core/model/id.ts'\n`,
    'src/ports/clock.ts': anything,
    'src/adapters/process/index.ts': `import fs from 'node:fs'\nimport { a } from '../../ports/clock.ts'\nimport './parse.ts'\n`,
    'src/adapters/process/parse.ts': anything,
    'src/daemon/loop.ts': `import assert from 'node:assert/strict'\nimport { a } from '../ports/clock.ts'\n`,
    'src/cli/up.ts': `import { Command } from 'commander'\nimport { a } from '../protocol/schema.ts'\n`,
    'src/main/daruma.ts': `import '../adapters/process/index.ts'\nimport '../daemon/loop.ts'\nimport '../cli/up.ts'\n`,
    'test/whole.test.ts': `import '../src/main/daruma.ts'\n`,
    'examples/hello/daruma.config.ts': `import { define } from 'daruma'\nexport default define({})\n`,
  })
  assert.deepEqual(verdict, [])
})

test('an import that goes up or sideways is refused, however it is written', () => {
  const verdict = judge({
    'src/core/model/id.ts': `import { b } from '../../ports/clock.ts'\n`,
    'src/ports/clock.ts': `export type { c } from '../protocol/api.ts'\n`,
    'src/protocol/api.ts': anything,
    'src/protocol/socket.ts': `import { h } from '../sdk/index.ts'\n`,
    'src/sdk/index.ts': anything,
    'src/adapters/sqlite/index.ts': `const d = import('../process/index.ts')\n`,
    'src/adapters/process/index.ts': anything,
    'src/daemon/loop.ts': `export { e } from '../adapters/sqlite/index.ts'\n`,
    'src/cli/up.ts': `type F = import('../daemon/loop.ts').F\n`,
    'src/host/table.ts': `import { c } from '../ports/clock.ts'\n`,
    'src/core/plan/plan.ts': `import { g } from '../../../scripts/tree.ts'\n`,
    'scripts/tree.ts': anything,
    'src/daemon/alarm.ts': `import '../main/daruma.ts'\n`,
    'src/main/daruma.ts': anything,
    'src/dashboard/app.tsx': `import type { c } from '../protocol/api.ts'\nimport { d } from '../protocol/api.ts'\nimport './gone.tsx'\n`,
  })
  assert.deepEqual(verdict, [
    'src/core/model/id.ts imports src/ports/clock.ts: core stands below or beside ports',
    'src/ports/clock.ts imports src/protocol/api.ts: ports stands below or beside protocol',
    'src/protocol/socket.ts imports src/sdk/index.ts: protocol stands below or beside sdk',
    'src/adapters/sqlite/index.ts imports its sibling adapter src/adapters/process/index.ts',
    'src/daemon/loop.ts imports src/adapters/sqlite/index.ts: daemon stands below or beside adapters',
    'src/cli/up.ts imports src/daemon/loop.ts: cli stands below or beside daemon',
    'src/host/table.ts imports src/ports/clock.ts: only types of ports may come here',
    'src/core/plan/plan.ts imports scripts/tree.ts, which is on no floor',
    'src/daemon/alarm.ts imports src/main/daruma.ts: daemon stands below or beside main',
    'src/dashboard/app.tsx imports src/protocol/api.ts: only types of protocol may come here',
    'src/dashboard/app.tsx imports src/dashboard/gone.tsx, which does not exist',
  ])
})

test('a package or built-in module is refused where its floor may not use it', () => {
  const verdict = judge({
    'src/core/plan/plan.ts': `import { z } from 'zod'\n`,
    'src/sdk/index.ts': `import { z } from 'zod'\n`,
    'src/ports/clock.ts': `import type { Stats } from 'node:fs'\n`,
    'src/daemon/loop.ts': `import { readFile } from 'node:fs/promises'\nimport { pathy } from 'node:pathy'\n`,
    'src/cli/load.ts': `const module = await import(name)\n`,
  })
  assert.deepEqual(verdict, [
    'src/core/plan/plan.ts imports zod, which core may not use',
    'src/sdk/index.ts imports zod, which sdk may not use',
    'src/ports/clock.ts imports node:fs, which ports may not use',
    'src/daemon/loop.ts imports node:fs/promises, which daemon may not use',
    'src/daemon/loop.ts imports node:pathy, which daemon may not use',
    'src/cli/load.ts imports (computed), which cli may not use',
  ])
})

test('a folder that has no floor is refused', () => {
  const verdict = judge({
    'src/engine/start.ts': anything,
    'src/core/secrets/digest.ts': anything,
    'src/core/loose.ts': anything,
    'src/loose.ts': anything,
    'src/adapters/loose.ts': anything,
  })
  assert.deepEqual(verdict, [
    'src/engine/start.ts unknown folder: no floor is called "engine"',
    'src/core/secrets/digest.ts unknown folder: the core has no part "secrets"',
    'src/core/loose.ts unknown folder: the core has no part "loose.ts"',
    'src/loose.ts unknown folder: no floor is called "src"',
    'src/adapters/loose.ts an adapter is a folder: adapters/<thing>/',
  ])
})

test('files that need each other are reported once, also when only types go round', () => {
  const verdict = judge({
    'src/core/plan/c.ts': `import { a } from './a.ts'\n`,
    'src/core/plan/b.ts': `import type { c } from './c.ts'\n`,
    'src/core/plan/a.ts': `import { b } from './b.ts'\n`,
  })
  const ring = 'src/core/plan/a.ts → src/core/plan/b.ts → src/core/plan/c.ts → src/core/plan/a.ts'
  assert.deepEqual(verdict, [`src/core/plan/a.ts is in a cycle: ${ring}`])
  const lazy = { 'src/cli/tree.ts': `const up = () => import('./up.ts')\n`, 'src/cli/up.ts': `import './tree.ts'\n` }
  assert.deepEqual(judge(lazy), ['src/cli/tree.ts is in a cycle: src/cli/tree.ts → src/cli/up.ts → src/cli/tree.ts'])
})

test('a folder of too many files, or of too many with one word in front, is refused', () => {
  const many = (count: number, name: (index: number) => string): Readonly<Record<string, string>> =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`src/core/plan/${name(index)}.ts`, anything]))
  const words = 'abcdefghijklmnopqrstuvwxyz'
  assert.deepEqual(judge({ ...many(16, (index) => words[index]!), ...many(20, (index) => `${words[index]}.test`) }), [])
  assert.deepEqual(judge(many(17, (index) => words[index]!)), ['src/core/plan has 17 files; more than 16 want rooms'])
  assert.deepEqual(judge(many(12, (index) => `plan-${words[index]}`)), [
    'src/core/plan has 12 files called plan-…: a folder of that name',
  ])
})

test('the ground of the core stands in its order', () => {
  const verdict = judge({
    'src/core/values/a.ts': `import { b } from '../keys/b.ts'\n`,
    'src/core/keys/b.ts': `import type { c } from '../config/c.ts'\n`,
    'src/core/keys/d.ts': `import { a } from '../values/e.ts'\n`,
    'src/core/values/e.ts': anything,
    'src/core/config/c.ts': anything,
    'src/core/model/f.ts': `import { b } from '../keys/d.ts'\nimport { g } from '../plan/g.ts'\n`,
    'src/core/plan/g.ts': anything,
  })
  assert.deepEqual(verdict, [
    'src/core/values/a.ts imports src/core/keys/b.ts: core/values stands below core/keys',
    'src/core/keys/b.ts imports src/core/config/c.ts: core/keys stands below core/config',
    'src/core/model/f.ts imports src/core/plan/g.ts: core/model stands below core/plan',
  ])
})

test('names, headers, default exports, length and broken syntax are each refused', () => {
  const verdict = judge({
    'src/core/plan/planMaker.ts': anything,
    'src/core/plan/plan-utils.ts': anything,
    'src/adapters/common/index.ts': anything,
    'src/core/plan/bare.ts': `#import { a } from './gone.ts'\n`,
    'src/core/plan/short.ts': `#/* plain */\n${anything}`,
    'src/core/plan/both.ts': `export default 1\n`,
    'src/core/plan/long.ts': `${'export {}\n'.repeat(400)}`,
    'src/core/plan/long.test.ts': `${'export {}\n'.repeat(400)}`,
    'src/core/plan/broken.ts': `export const = 1\n`,
  })
  assert.deepEqual(verdict, [
    'src/core/plan/planMaker.ts is not named in kebab-case',
    'src/core/plan/plan-utils.ts is named "utils", which says nothing',
    'src/adapters/common/index.ts is named "common", which says nothing',
    'src/core/plan/bare.ts does not open with a /** comment that says what it is',
    'src/core/plan/bare.ts imports src/core/plan/gone.ts, which does not exist',
    'src/core/plan/short.ts does not open with a /** comment that says what it is',
    'src/core/plan/both.ts has a default export',
    'src/core/plan/long.ts has 401 lines; more than 400 is two ideas',
    'src/core/plan/broken.ts cannot be parsed: Unexpected token',
  ])
})

test('production code may not import a test', () => {
  const verdict = judge({ 'src/core/plan/plan.ts': `import './plan.test.ts'\n`, 'src/core/plan/plan.test.ts': anything })
  assert.deepEqual(verdict, ['src/core/plan/plan.ts imports the test src/core/plan/plan.test.ts'])
})

test('a registry named anywhere, or a lock file that says where packages came from, is refused', () => {
  const host = ['registry', 'example', 'org'].join('.')
  const resolved = `{ "resolved": "https://${'mirror'}.example/zod.tgz" }`
  const found = [
    ...registryProblems('README.md', `npm --registry https://${host}/ install`, null),
    ...registryProblems('.npmrc', 'registry=https://mirror.example', 'mirror.example'),
    ...registryProblems('package-lock.json', resolved, null),
    ...registryProblems('docs/guide.md', 'a registry of services, the npm package daruma', 'mirror.example'),
  ].map(({ path, message }) => `${path} ${message}`)
  assert.deepEqual(found, [
    `README.md names the registry ${host}`,
    '.npmrc names the registry mirror.example',
    'package-lock.json says where packages were resolved',
  ])
})

test('a guard that saw fewer files than there are, or none, is itself a violation', () => {
  assert.deepEqual([blindness(3, 3), blindness(4, 3)], [[], []])
  assert.deepEqual(blindness(2, 3), [{ path: '.', message: 'only 2 of 3 files were looked at' }])
  assert.equal(blindness(0, 0).length, 1)
})
