/** Each tool of `npm run check` is shown what it must refuse: a setting with a typing error in it would otherwise pass forever. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openLab } from './lab.ts'

const linter = 'node_modules/oxlint/bin/oxlint'
const looseProject = JSON.stringify({
  compilerOptions: {
    strict: true,
    module: 'nodenext',
    target: 'es2024',
    types: ['node'],
    noEmit: true,
    allowImportingTsExtensions: true,
  },
  include: ['src'],
})

interface Diagnostic {
  /** Missing for a remark about a directive. */
  readonly code?: string
  readonly message: string
  readonly filename: string
}

/** Path → the rules that fired there, each once, sorted. */
function rulesThatFired(output: string): Readonly<Record<string, readonly string[]>> {
  const { diagnostics } = JSON.parse(output) as {
    readonly diagnostics: readonly Diagnostic[]
  }
  const fired: Record<string, Set<string>> = {}
  for (const { code, message, filename } of diagnostics) (fired[filename] ??= new Set()).add(code ?? message)
  return Object.fromEntries(Object.entries(fired).map(([path, codes]) => [path, [...codes].toSorted()]))
}

test('the linter refuses, with the rule that was meant, each thing that the house forbids', () => {
  using lab = openLab(['.oxlintrc.json'])
  const bad: Readonly<Record<string, readonly [text: string, rule: string]>> = {
    'src/core/clock.ts': ['export const now: number = Date.now()\n', 'eslint(no-restricted-globals)'],
    'src/core/new-date.ts': ['export const now: unknown = new Date()\n', 'eslint(no-restricted-globals)'],
    'src/core/chance.ts': ['export const chance: number = Math.random()\n', 'eslint(no-restricted-properties)'],
    'src/core/chance-taken.ts': [
      'const { random } = Math\nexport const chance: number = random()\n',
      'eslint(no-restricted-properties)',
    ],
    'src/core/world.ts': ["export const world: unknown = globalThis['Date']\n", 'eslint(no-restricted-properties)'],
    'src/core/later.ts': ['export async function later(): Promise<void> {}\n', 'oxc(no-async-await)'],
    'src/core/later-arrow.ts': ['export const later = async (): Promise<void> => {}\n', 'oxc(no-async-await)'],
    'src/core/promise.ts': ['export const later: unknown = Promise.resolve(1)\n', 'eslint(no-restricted-globals)'],
    'src/daemon/clock.ts': ['export const now: number = Date.now()\n', 'eslint(no-restricted-globals)'],
    'src/daemon/timer.ts': ['setTimeout(() => {}, 1)\nexport {}\n', 'eslint(no-restricted-globals)'],
    'src/daemon/limit.ts': ['export const f = (): AbortSignal => AbortSignal.timeout(1)\n', 'eslint(no-restricted-properties)'],
    'src/server/chance.ts': ['export const chance: number = Math.random()\n', 'eslint(no-restricted-properties)'],
    'src/daemon/floating.ts': ['async function f(): Promise<void> {}\nf()\nexport {}\n', 'typescript(no-floating-promises)'],
    'src/daemon/misused.ts': [
      'declare function on(run: () => void): void\non(async () => {})\nexport {}\n',
      'typescript(no-misused-promises)',
    ],
    'src/daemon/switch.ts': [
      "export function f(k: 'a' | 'b'): void {\n  switch (k) {\n    case 'a':\n  }\n}\n",
      'typescript(switch-exhaustiveness-check)',
    ],
    'src/daemon/any.ts': ['export const a: any = 1\n', 'typescript(no-explicit-any)'],
    'src/daemon/default.ts': ['export default 1\n', 'import(no-default-export)'],
    'src/daemon/thrown.ts': ["export function f(): never {\n  throw 'x'\n}\n", 'typescript(only-throw-error)'],
    'src/daemon/exit.ts': ['export const f = (): never => process.exit(1)\n', 'unicorn(no-process-exit)'],
    'src/daemon/print.ts': ['console.log(1)\nexport {}\n', 'eslint(no-console)'],
    'src/daemon/room.ts': ['export namespace Room {\n  export const a = 1\n}\n', 'typescript(no-namespace)'],
    'src/daemon/equal.ts': ['export const f = (a: unknown): boolean => a == 1\n', 'eslint(eqeqeq)'],
    'src/daemon/excuse.ts': [
      '// oxlint-disable-next-line no-console\nexport const a: number = 1\n',
      'Unused oxlint-disable directive (no problems were reported).',
    ],
  }
  const good = {
    'src/core/good.ts': 'export const double = (a: number): number => Math.floor(a) * 2\n',
    'src/core/good.test.ts':
      "import { test } from 'node:test'\ntest('a promise here is its runner’s', async () => {\n  await Promise.resolve(Date.now())\n})\n",
    'src/main/good.ts': 'console.log(1)\nprocess.exit(0)\n',
    'examples/daruma.config.ts': 'export default 1\n',
  }
  lab.write({
    'tsconfig.json': looseProject,
    ...Object.fromEntries(Object.entries(bad).map(([path, [text]]) => [path, text])),
    ...good,
  })
  const { code, output } = lab.run(linter, ['--type-aware', '-f', 'json', 'src', 'examples'])
  assert.equal(code, 1, output)
  const expected = Object.fromEntries(Object.entries(bad).map(([path, [, rule]]) => [path, [rule]]))
  assert.deepEqual(rulesThatFired(output), expected)
})

test('the compiler refuses the world in the core, enums anywhere, and missing annotations', () => {
  using lab = openLab(['tsconfig.base.json', 'src/tsconfig.json', 'src/core/tsconfig.json'])
  lab.write({
    'src/core/world.ts': [
      "import 'node:fs'",
      'console.log(1)',
      'setTimeout(() => {}, 1)',
      "fetch('')",
      'process.exit()',
      'export enum Kind { A }',
      'export const computed = [1].map(String)',
    ].join('\n'),
  })
  const { code, output } = lab.run('node_modules/typescript/bin/tsc', ['-b', 'src/core', '--pretty', 'false'])
  assert.notEqual(code, 0)
  const lines = [...output.matchAll(/world\.ts\((\d+),\d+\): error (TS\d+)/g)].map(([, line, rule]) => `${line} ${rule}`)
  assert.deepEqual([...new Set(lines.map((line) => line.split(' ')[0]))], ['1', '2', '3', '4', '5', '6', '7'], output)
})

const lineOf = (width: number): string => `export const list: readonly string[] = ['${'x'.repeat(width - 48)}', 'y']\n`

test('the formatter refuses a semicolon, a double quote, a line of 131, and a missing trailing comma', () => {
  using lab = openLab(['.oxfmtrc.json'])
  const items = Array.from({ length: 12 }, (_, index) => `  'item number ${index}',`)
  const good = `export const list: readonly string[] = [\n${items.join('\n')}\n]\n`
  lab.write({
    'good.ts': good,
    'wide.ts': lineOf(130),
    'long.ts': lineOf(131),
    'semicolon.ts': 'export const a: number = 1;\n',
    'quote.ts': 'export const a: string = "a"\n',
    'comma.ts': good.replace("11',", "11'"),
  })
  const { code, output } = lab.run('node_modules/oxfmt/bin/oxfmt', ['--list-different', '.'])
  assert.equal(code, 1)
  assert.deepEqual(output.trim().split('\n').toSorted(), ['comma.ts', 'long.ts', 'quote.ts', 'semicolon.ts'])
})

test('dead files, dead exports, and packages that are missing or not needed are found', () => {
  using lab = openLab(['knip.json', 'scripts/knip-reporter.config.ts'])
  lab.write({
    'package.json': JSON.stringify({ name: 'sample', type: 'module', dependencies: { zod: '4.6.7', commander: '14.0.3' } }),
    'src/main/daruma.ts': "import { used } from '../core/plan.ts'\nimport fc from 'fast-check'\nimport 'commander'\nused(fc)\n",
    'src/core/plan.ts': 'export const used = (a: unknown): unknown => a\nexport const deadExport: number = 1\n',
    'src/core/dead-file.ts': 'export const a: number = 1\n',
  })
  const options = [
    '--no-progress',
    '--no-config-hints',
    '--reporter',
    'symbols',
    '--reporter',
    './scripts/knip-reporter.config.ts',
  ]
  const { code, output } = lab.run('node_modules/knip/bin/knip.js', options)
  assert.equal(code, 1, output)
  for (const [what, where] of [
    ['src/core/dead-file.ts', 'Unused files'],
    ['deadExport', 'Unused exports'],
    ['zod', 'Unused dependencies'],
    ['fast-check', 'Unlisted dependencies'],
  ] as const)
    assert.match(output, new RegExp(`${where}[^]*\\b${what}\\b`))
  assert.doesNotMatch(output, /\bcommander\b/)
  assert.match(output, /knip looked at [34] files/)
})
