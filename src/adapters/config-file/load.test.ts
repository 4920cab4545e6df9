import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { hangLimit } from '../../../test/hang-limit.ts'
import { renderProblems } from '../../core/config/render-problems.ts'
import { evaluate } from './evaluate.ts'
import { findConfig } from './find.ts'
import { loadConfig } from './index.ts'

/** A folder without node_modules anywhere above it; paths in messages are shown from it. */
function folder(t: TestContext, files: Readonly<Record<string, string>>): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'daruma-config-')))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
  return directory
}

async function refusal(directory: string, options: { readonly file?: string; readonly stage?: string } = {}): Promise<string> {
  const loaded = await loadConfig({ file: options.file ?? null, stage: options.stage ?? null, cwd: directory, loadCron: null })
  assert.ok(!loaded.ok, 'the config was accepted')
  return renderProblems(loaded.problems).replaceAll(`${directory}/`, '').replaceAll(directory, '.')
}

const lines = (...text: readonly string[]): string => text.join('\n')

const sound = lines(
  "import { define, secret } from 'daruma'",
  'const level: string = "info"',
  'export default define(({ stage }) => ({',
  "  name: 'shop',",
  "  services: { web: { command: 'node server.js', directory: './web', replicas: stage === 'production' ? 3 : 1,",
  "    environment: { LEVEL: level, TOKEN: secret('TOKEN') } } },",
  '}))',
)

test('a typed config far from any node_modules is loaded, for its stage, with paths from its own folder', async (t) => {
  const directory = folder(t, { 'daruma.config.ts': sound })
  const loaded = await loadConfig({ file: null, stage: 'production', cwd: directory, loadCron: null })
  assert.ok(loaded.ok, JSON.stringify(loaded))
  const [web] = loaded.project.services
  assert.deepEqual(
    [loaded.file, loaded.project.name, loaded.project.stage, web?.scale, web?.runs.directory, web?.environment, web?.secrets],
    [
      join(directory, 'daruma.config.ts'),
      'shop',
      'production',
      { kind: 'replicas', count: 3 },
      join(directory, 'web'),
      { LEVEL: 'info' },
      { TOKEN: { source: { from: 'environment', name: 'TOKEN' }, digest: null } },
    ],
  )
})

test('a config is an ES module under any package.json, in all four extensions, and Node prints no warning about it', async (t) => {
  const helper =
    "import { define } from 'daruma'\nimport { name } from './name.ts'\nexport default define({ name, services: {} })\n"
  const plain =
    "import { define } from 'daruma'\nimport { name } from './plain.js'\nexport default define({ name, services: {} })\n"
  const files: Record<string, string> = {}
  for (const [kind, content] of Object.entries({
    none: null,
    empty: '{}',
    commonjs: '{"type":"commonjs"}',
    module: '{"type":"module"}',
  })) {
    if (content !== null) files[`${kind}/package.json`] = content
    files[`${kind}/ts/daruma.config.ts`] = helper
    files[`${kind}/mts/daruma.config.mts`] = helper
    for (const extension of ['ts', 'mts']) files[`${kind}/${extension}/name.ts`] = "export const name: string = 'shop'\n"
    files[`${kind}/mjs/daruma.config.mjs`] = helper
    files[`${kind}/mjs/name.ts`] = "export const name: string = 'shop'\n"
    files[`${kind}/js/daruma.config.js`] = kind === 'commonjs' ? plain.replace('./plain.js', './plain.mjs') : plain
    files[`${kind}/js/plain.js`] = files[`${kind}/js/plain.mjs`] = "export const name = 'shop'\n"
  }
  const directory = folder(t, files)
  const configs = Object.keys(files).filter((name) => name.includes('daruma.config'))
  assert.equal(configs.length, 16)
  const script = `
    const { loadConfig } = await import(${JSON.stringify(new URL('index.ts', import.meta.url).href)})
    for (const file of ${JSON.stringify(configs)}) {
      const loaded = await loadConfig({ file, stage: null, cwd: ${JSON.stringify(directory)}, loadCron: null })
      if (!loaded.ok) console.log(file, JSON.stringify(loaded.problems))
    }`
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    timeout: hangLimit(30_000),
  })
  assert.deepEqual({ stdout, stderr }, { stdout: '', stderr: '' })
})

test('a changed file is read anew in the same process', async (t) => {
  const directory = folder(t, { 'daruma.config.ts': "export default { name: 'one', services: {} }" })
  const nameNow = async (): Promise<string | null> => {
    const loaded = await loadConfig({ file: null, stage: null, cwd: directory, loadCron: null })
    return loaded.ok ? loaded.project.name : null
  }
  assert.equal(await nameNow(), 'one')
  writeFileSync(join(directory, 'daruma.config.ts'), "export default { name: 'two', services: {} }")
  assert.equal(await nameNow(), 'two')
})

test('the nearest config upwards is found; the four names have an order; a link keeps its own folder', async (t) => {
  const config = "export default { name: 'shop', services: { web: { command: 'x' } } }"
  const directory = folder(t, {
    'daruma.config.mjs': config,
    'a/b/x': '',
    'c/daruma.config.ts': config,
    'c/daruma.config.js': config,
  })
  mkdirSync(join(directory, 'linked'))
  symlinkSync(join(directory, 'c/daruma.config.ts'), join(directory, 'linked/daruma.config.ts'))
  assert.equal((await findConfig({ file: null, cwd: join(directory, 'a/b') })).file, join(directory, 'daruma.config.mjs'))
  assert.equal((await findConfig({ file: null, cwd: join(directory, 'c') })).file, join(directory, 'c/daruma.config.ts'))
  assert.equal((await findConfig({ file: 'c/none.ts', cwd: directory })).ok, false)
  const loaded = await loadConfig({ file: 'linked/daruma.config.ts', stage: null, cwd: directory, loadCron: null })
  assert.equal(loaded.ok && loaded.project.services[0]?.runs.directory, join(directory, 'linked'))
})

test('a missing file names what is looked for, or the nearest file', async (t) => {
  const directory = folder(t, { 'infra/shop.config.ts': 'export default {}', 'infra/shop.yaml': '' })
  assert.equal(
    await refusal(directory),
    lines(
      'there is no daruma.config.ts in . or above [E_CONFIG_MISSING]',
      '  allowed: daruma.config.ts (or .mts, .js, .mjs); daruma init writes one, --file names another',
    ),
  )
  assert.equal(
    await refusal(directory, { file: 'infra/shop.confg.ts' }),
    lines('there is no file infra/shop.confg.ts [E_CONFIG_MISSING]', '  did you mean infra/shop.config.ts?'),
  )
  assert.equal(
    await refusal(directory, { file: 'infra' }),
    lines('infra is a directory [E_CONFIG_IS_DIRECTORY]', '  allowed: a file'),
  )
  assert.equal(
    await refusal(directory, { file: 'infra/shop.yaml' }),
    lines(
      'infra/shop.yaml is not TypeScript or JavaScript by its name [E_CONFIG_FORMAT]',
      '  allowed: a Compose file becomes a config by: daruma import FILE',
    ),
  )
})

test('JSON is told how it becomes a config, by its name as by its content', async (t) => {
  const directory = folder(t, { 'shop.json': '{}', 'daruma.config.ts': '{ "name": "shop", "services": {} }' })
  assert.equal(
    await refusal(directory, { file: 'shop.json' }),
    lines(
      'shop.json is not TypeScript or JavaScript by its name [E_CONFIG_FORMAT]',
      '  allowed: a .ts file with the same content behind `export default`: TypeScript contains JSON',
    ),
  )
  assert.equal(
    await refusal(directory),
    lines(
      'daruma.config.ts:1:1  syntax error: this is JSON, and a config is TypeScript [E_CONFIG_SYNTAX]',
      '  1 | { "name": "shop", "services": {} }',
      '    | ^',
      '  allowed: the same with `export default` in front of it: TypeScript contains JSON',
    ),
  )
})

test(
  'a config that may not be read is reported at its own path',
  { skip: process.geteuid?.() === 0 ? false : 'needs root' },
  async (t) => {
    const directory = folder(t, { 'daruma.config.ts': sound, 'below/daruma.config.ts': sound, 'below/deeper/x': '' })
    for (const path of ['', 'below/deeper']) chmodSync(join(directory, path), 0o755)
    chmodSync(join(directory, 'below/daruma.config.ts'), 0)
    process.seteuid?.(65_534)
    try {
      // Not that of the folder above, which could be read.
      const found = await findConfig({ file: null, cwd: join(directory, 'below/deeper') })
      assert.equal(found.file, join(directory, 'below/daruma.config.ts'))
      assert.ok(!found.ok)
      assert.equal(found.problem.code, 'E_CONFIG_UNREADABLE')
      assert.match(found.problem.message, /below\/daruma\.config\.ts cannot be read: permission denied$/)
    } finally {
      process.seteuid?.(0)
    }
  },
)

test('a directory that holds a config suggests it', async (t) => {
  const directory = folder(t, { 'a/daruma.config.js': 'export default {}' })
  assert.equal(
    await refusal(directory, { file: 'a' }),
    lines('a is a directory [E_CONFIG_IS_DIRECTORY]', '  allowed: a file', '  did you mean a/daruma.config.js?'),
  )
})

/** Each config and the whole message that it gets. */
const bad: Readonly<Record<string, { readonly files: Readonly<Record<string, string>>; readonly says: string }>> = {
  'a syntax error in TypeScript': {
    files: { 'daruma.config.ts': "export default {\n  name: 'shop'\n  services: {},\n}\n" },
    says: lines(
      'daruma.config.ts:3:3  syntax error: Expected `,` or `}` but found `Identifier` [E_CONFIG_SYNTAX]',
      '  3 |   services: {},',
      '    |   ^',
    ),
  },
  'a syntax error in JavaScript, of which Node does not tell the place': {
    files: { 'daruma.config.js': "export default {\n  name: 'shop',\n  services: { web: },\n}\n" },
    says: lines(
      'daruma.config.js:3:20  syntax error: Unexpected token [E_CONFIG_SYNTAX]',
      '  3 |   services: { web: },',
      '    |                    ^',
    ),
  },
  'a syntax error in an imported file': {
    files: { 'daruma.config.ts': "import './other.ts'\nexport default {}\n", 'other.ts': 'export const x = {\n' },
    says: lines('other.ts:2:1  syntax error: Expected `}` but found `EOF` [E_CONFIG_SYNTAX]', '  2 | ', '    | ^'),
  },
  'TypeScript that cannot be erased': {
    files: { 'daruma.config.ts': 'enum Size { Small }\nexport default { name: Size.Small }\n' },
    says: lines(
      'daruma.config.ts:1:1  syntax error: TypeScript enum is not supported in strip-only mode [E_CONFIG_SYNTAX]',
      '  1 | enum Size { Small }',
      '    | ^',
      '  allowed: TypeScript whose types can be erased: no enum, no namespace with code, no parameter properties',
    ),
  },
  'an import of a package that is not installed': {
    files: {
      'daruma.config.ts': "import { define } from 'daruma'\nimport lodash from '@scope/lodash/fp'\nexport default define({})\n",
    },
    says: lines(
      "daruma.config.ts:2:20  '@scope/lodash/fp' is imported but cannot be found [E_CONFIG_IMPORT]",
      "  2 | import lodash from '@scope/lodash/fp'",
      '    |                    ^',
      '  allowed: a package that is installed: npm install @scope/lodash in .',
    ),
  },
  'an import of a file without its extension': {
    files: {
      'daruma.config.ts': "import { web } from './web'\nexport default { services: { web } }\n",
      'web.ts': 'export const web = {}\n',
    },
    says: lines(
      "daruma.config.ts:1:21  './web' is imported but cannot be found [E_CONFIG_IMPORT]",
      "  1 | import { web } from './web'",
      '    |                     ^',
      "  did you mean './web.ts'?",
    ),
  },
  'an import of a name that daruma does not have': {
    files: { 'daruma.config.ts': "import { defin } from 'daruma'\nexport default defin({})\n" },
    says: lines(
      "daruma.config.ts:1:10  'daruma' has no export defin [E_CONFIG_IMPORT]",
      "  1 | import { defin } from 'daruma'",
      '    |          ^',
      '  allowed: define, secret',
      '  did you mean define?',
    ),
  },
  'a config that throws': {
    files: {
      'daruma.config.ts':
        "function port(): number {\n  throw new TypeError('no port\\nat all')\n}\nexport default { port: port() }\n",
    },
    says: lines(
      'daruma.config.ts:2:9  the config threw TypeError: no port [E_CONFIG_THREW]',
      "  2 |   throw new TypeError('no port\\nat all')",
      '    |         ^',
    ),
  },
  'a config whose helper throws: the line of the config is shown': {
    files: {
      'daruma.config.ts': "import { web } from './lib/web.ts'\nexport default () => ({ services: { web: web() } })\n",
      'lib/web.ts': "export function web(): never {\n  throw new Error('no web')\n}\n",
    },
    says: lines(
      'daruma.config.ts:2:42  the config threw Error: no web (in lib/web.ts:2) [E_CONFIG_THREW]',
      '  2 | export default () => ({ services: { web: web() } })',
      '    |                                          ^',
    ),
  },
  'a config that throws something else': {
    files: { 'daruma.config.ts': "throw 'no'\n" },
    says: "daruma.config.ts  the config threw 'no' [E_CONFIG_THREW]",
  },
  'no default export': {
    files: { 'daruma.config.ts': "export const config = { name: 'shop' }\n" },
    says: lines(
      'daruma.config.ts  the config has no default export (it exports config) [E_CONFIG_NO_DEFAULT]',
      '  allowed: export default define({ name, services })',
    ),
  },
  'a default export that is no config': {
    files: { 'daruma.config.ts': "\nexport default 'shop'\n" },
    says: lines(
      'daruma.config.ts:2:16  the default export of the config is a string [E_CONFIG_EMPTY]',
      "  2 | export default 'shop'",
      '    |                ^',
      '  allowed: export default define({ name, services })',
    ),
  },
  'a function that returns nothing': {
    files: {
      'daruma.config.ts': "import { define } from 'daruma'\nexport default define(() => { const config = { name: 'shop' } })\n",
    },
    says: lines(
      'daruma.config.ts:2:16  the function of the config returns nothing [E_CONFIG_EMPTY]',
      "  2 | export default define(() => { const config = { name: 'shop' } })",
      '    |                ^',
      '  allowed: an object: define(({ stage }) => ({ name, services }))',
    ),
  },
  'an unknown key inside define': {
    files: {
      'daruma.config.ts': lines(
        "import { define } from 'daruma'",
        'export default define({',
        "  name: 'shop',",
        "  services: { web: { comand: 'x' } },",
        '})',
      ),
    },
    says: lines(
      'daruma.config.ts:4:22  services.web.comand  comand is not a known key [E_CONFIG_UNKNOWN_KEY]',
      "  4 |   services: { web: { comand: 'x' } },",
      '    |                      ^',
      '  did you mean command?',
    ),
  },
  'a wrong type in a function of the stage, under a cast, through a constant and a spread': {
    files: {
      'daruma.config.ts': lines(
        "import { define, type Config } from 'daruma'",
        "const common = { command: 'x', replicas: 'two' }",
        'export default define(({ stage }) => {',
        '  const web = { ...common, singleton: false }',
        "  if (stage === null) return { name: 'shop', services: { web } } as unknown as Config",
        "  return { name: 'shop', services: {} }",
        '})',
      ),
    },
    says: lines(
      "daruma.config.ts:2:42  services.web.replicas  'two' is a string, which is not accepted here [E_CONFIG_TYPE]",
      "  2 | const common = { command: 'x', replicas: 'two' }",
      '    |                                          ^',
      '  allowed: a whole number from 0 to 1000',
      '',
      'daruma.config.ts:4:39  services.web.singleton  false is not accepted here [E_CONFIG_VALUE]',
      '  4 |   const web = { ...common, singleton: false }',
      '    |                                       ^',
      '  allowed: true (leave the key out otherwise)',
    ),
  },
  'two kinds at once, no command, a duplicate port, impossible memory': {
    files: {
      'daruma.config.ts': lines(
        'export default {',
        "  name: 'shop',",
        '  services: {',
        "    a: { command: 'x', replicas: 2, singleton: true },",
        '    b: { replicas: 1 },',
        "    c: { command: 'x', port: 80 },",
        "    d: { command: 'x', port: 80 },",
        "    e: { command: 'x', memory: '0B' },",
        '  },',
        '}',
      ),
    },
    says: lines(
      'daruma.config.ts:4:48  services.a.singleton  replicas and singleton stand side by side [E_CONFIG_CONFLICT]',
      "  4 |     a: { command: 'x', replicas: 2, singleton: true },",
      '    |                                                ^',
      '  allowed: at most one of replicas, singleton, job, schedule',
      '',
      'daruma.config.ts:5:5  services.b  the service b has neither a command nor an image [E_CONFIG_REQUIRED]',
      '  5 |     b: { replicas: 1 },',
      '    |     ^',
      "  allowed: command: 'node server.js', or image: 'docker.io/library/redis:7'",
      '',
      'daruma.config.ts:7:30  services.d.port  port 80 is wanted by c and by d [E_CONFIG_DUPLICATE_PORT]',
      "  7 |     d: { command: 'x', port: 80 },",
      '    |                              ^',
      "  allowed: another port, or 'auto'",
      '',
      "daruma.config.ts:8:32  services.e.memory  '0B' is not accepted here [E_CONFIG_VALUE]",
      "  8 |     e: { command: 'x', memory: '0B' },",
      '    |                                ^',
      "  allowed: a size from 1MiB to 1024TiB, such as '512MiB' or '1GB'",
    ),
  },
  'a circle of dependencies': {
    files: {
      'daruma.config.ts': lines(
        "import { define } from 'daruma'",
        'export default define({',
        "  name: 'shop',",
        "  services: { a: { command: 'x', after: ['b'] }, b: { command: 'x', after: ['a'] } },",
        '})',
      ),
    },
    says: lines(
      'daruma.config.ts:4:77  services.b.after[0]  these services wait for each other: a → b → a [E_CONFIG_CYCLE]',
      "  4 |   services: { a: { command: 'x', after: ['b'] }, b: { command: 'x', after: ['a'] } },",
      '    |                                                                             ^',
      '  allowed: an order in which every service can start',
    ),
  },
  'a computed service: the line that computes it': {
    files: {
      'daruma.config.ts': lines(
        'export default {',
        "  name: 'shop',",
        "  services: Object.fromEntries(['web'].map((name) => [name, { command: 1 }])),",
        '}',
      ),
    },
    says: lines(
      'daruma.config.ts:3:13  services.web.command  1 is a number, which is not accepted here [E_CONFIG_TYPE]',
      "  3 |   services: Object.fromEntries(['web'].map((name) => [name, { command: 1 }])),",
      '    |             ^',
      "  allowed: a command line such as 'node server.js' (run by sh -c), or an array of arguments such as ['node', 'server.js']",
    ),
  },
  'a secret that was written: its line is not shown': {
    files: {
      'daruma.config.ts':
        "export default { name: 'shop', services: { web: { command: 'x', port: 0, secrets: { PASSWORD: 'hunter2' } } } }\n",
    },
    says: lines(
      'daruma.config.ts:1:71  services.web.port  0 is not accepted here [E_CONFIG_VALUE]',
      "  allowed: 'auto', false, or a port from 1 to 65535",
      '',
      'daruma.config.ts:1:95  services.web.secrets.PASSWORD  a string is not a secret: secrets are named, never written [E_CONFIG_SECRET]',
      "  allowed: secret('NAME'), secret.file('path') or secret.command(['program', 'argument'])",
    ),
  },
  'too many services': {
    files: {
      'daruma.config.ts': lines(
        'export default {',
        "  name: 'shop',",
        "  services: Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`s-${i}`, { command: 'x' }])),",
        '}',
      ),
    },
    says: lines(
      'daruma.config.ts:3:13  services  10001 services are too many [E_CONFIG_TOO_MANY]',
      "  3 |   services: Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`s-${i}`, { command: 'x' }])),",
      '    |             ^',
      '  allowed: at most 10000',
    ),
  },
}

for (const [name, { files, says }] of Object.entries(bad)) {
  test(`bad input is explained: ${name}`, async (t) => {
    const directory = folder(t, files)
    assert.equal(await refusal(directory), says)
  })
}

test('a promise is awaited, and one that never settles is refused instead of waited for', async (t) => {
  const directory = folder(t, {
    'slow.ts': 'export default () => new Promise(() => {})\n',
    'top.ts': 'await new Promise(() => {})\nexport default {}\n',
    'fine.ts': "export default async () => ({ name: 'shop', services: {} })\n",
  })
  const slow = async (file: string): Promise<unknown> => {
    const evaluation = await evaluate(join(directory, file), null, 50)
    return evaluation.ok ? evaluation.value : `${evaluation.trouble.code} ${evaluation.trouble.message}`
  }
  assert.deepEqual(
    [await slow('slow.ts'), await slow('top.ts'), await slow('fine.ts')],
    [
      'E_CONFIG_SLOW the config was not evaluated in time: the promise that it gave did not settle within 0.05 s',
      'E_CONFIG_SLOW the config was not evaluated in time: it did not settle within 0.05 s',
      { name: 'shop', services: {} },
    ],
  )
})

test('the module hooks are gone after a load: this process cannot import daruma by accident', async (t) => {
  const directory = folder(t, { 'daruma.config.ts': sound, 'other.ts': "import { define } from 'daruma'\nexport { define }\n" })
  assert.ok((await loadConfig({ file: null, stage: null, cwd: directory, loadCron: null })).ok)
  await assert.rejects(import(join(directory, 'other.ts')), { code: 'ERR_MODULE_NOT_FOUND' })
})

test('a line in which the password of a registry may stand is not shown again, whatever is wrong with it', async (t) => {
  for (const registry of [
    "{ username: 'me', pass: 'hunter2' }",
    "'me:hunter2'",
    "{ username: 'me:hunter2' }",
    "{ password: 'hunter2' }",
  ]) {
    const directory = folder(t, {
      'daruma.config.ts': lines(
        'export default {',
        "  name: 'shop',",
        '  services: {',
        "    web: { image: 'x',",
        `      registry: ${registry} },`,
        '  },',
        '}',
      ),
    })
    const text = await refusal(directory)
    assert.match(text, /daruma\.config\.ts:5:\d+ {2}services\.web\.registry/)
    assert.doesNotMatch(text, /hunter2/)
  }
})
