import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { loadConfig } from '../../adapters/config-file/index.ts'
import { renderProblems } from '../../core/config/render-problems.ts'
import { findCompose } from './find.ts'
import { importFiles, type Imported } from './import.ts'

const root = join(import.meta.dirname, '../../..')
const testdata = join(import.meta.dirname, 'testdata')
/** Compose files in the shapes of the common ones; each stands in a folder with what it refers to. */
const samples = readdirSync(testdata)

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'compose-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function place(directory: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
}

async function importFrom(
  directory: string,
  options: {
    readonly files?: readonly string[]
    readonly profiles?: readonly string[]
    readonly environment?: Record<string, string>
  } = {},
): Promise<Imported> {
  const files = options.files ?? (await findCompose(directory))
  return importFiles({
    files,
    cwd: directory,
    directory,
    environment: options.environment ?? {},
    profiles: options.profiles ?? [],
    hostMemoryBytes: 64 * 1024 ** 3,
    isRoot: true,
  })
}

async function imported(
  directory: string,
  options: Parameters<typeof importFrom>[1] = {},
): Promise<Extract<Imported, { readonly ok: true }>> {
  const answer = await importFrom(directory, options)
  assert.ok(answer.ok, answer.ok ? '' : renderProblems(answer.problems))
  return answer
}

/** The config and the list, as a person sees both. */
function shown({ text, notes }: Extract<Imported, { readonly ok: true }>, directory: string): string {
  const list = notes.map(
    ({ at, path, message, instead }) =>
      `${at === null ? '-' : `${at.file.replace(`${directory}/`, '')}:${at.line}`}  ${path}\n    ${message}\n    → ${instead}\n`,
  )
  return `${text}\n${list.length === 0 ? 'Everything was carried over.\n' : list.join('')}`.replaceAll(directory, '.')
}

test('each sample becomes the config, and the list of what is missing, that stand beside it', async (t) => {
  assert.ok(samples.length >= 18, `${samples.length} samples`)
  for (const sample of samples) {
    const directory = folder(t)
    cpSync(join(testdata, sample), join(directory, sample), { recursive: true })
    const actual = shown(await imported(join(directory, sample)), join(directory, sample))
    const expected = join(testdata, sample, 'expected.txt')
    // UPDATE_EXPECTED=1 writes them anew, for somebody who then reads the difference.
    if (process.env['UPDATE_EXPECTED'] !== undefined) writeFileSync(expected, actual)
    assert.equal(actual, readFileSync(expected, 'utf8'), sample)
  }
})

test('what is written loads, alone and with every profile, and TypeScript accepts it', { timeout: 120_000 }, async (t) => {
  const directory = folder(t)
  const configs: string[] = []
  for (const sample of samples) {
    for (const profiles of [[], ['*']]) {
      const own = join(directory, `${sample}-${profiles.length}`)
      cpSync(join(testdata, sample), own, { recursive: true })
      const { text, serviceCount } = await imported(own, { profiles })
      const file = join(own, 'daruma.config.ts')
      writeFileSync(file, text)
      const loaded = await loadConfig({ file, stage: null, cwd: own, loadCron: null })
      assert.ok(loaded.ok, `${sample}: ${JSON.stringify(loaded)}\n${text}`)
      assert.equal(loaded.project.services.length, serviceCount)
      configs.push(file)
    }
  }
  assert.equal(configs.length, samples.length * 2)
  const compilerOptions = {
    noEmit: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    allowImportingTsExtensions: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    module: 'nodenext',
    target: 'esnext',
    types: ['node'],
    paths: { daruma: [join(root, 'src/sdk/index.ts')] },
  }
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: configs }))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const check = promisify(execFile)(process.execPath, [compiler, '-p', directory], { timeout: 100_000 })
  const output = await check.then(
    () => '',
    (error: { readonly stdout: string }) => error.stdout,
  )
  assert.equal(output, '')
})

test('no secret of the samples is copied, and each is asked for', async () => {
  const texts = await Promise.all(samples.map(async (sample) => (await imported(join(testdata, sample))).text))
  const whole = texts.join('\n')
  for (const value of ['hunter2', 'somewordpress', 'never-copied', '0123456789abcdef', 'set-me'])
    assert.ok(!whole.includes(value), value)
  for (const name of ['MYSQL_PASSWORD', 'SECRET_KEY_BASE', 'DATABASE_URL', 'WEBPASSWORD'])
    assert.ok(whole.includes(`secret('${name}')`), name)
})

test('paths are written from the folder that the config stands in', async (t) => {
  const directory = folder(t)
  place(directory, {
    'app/compose.yaml':
      'services: { web: { build: ./web, secrets: [key], environment: { KEY_FILE: /run/secrets/key }, env_file: web.env } }\nsecrets: { key: { file: ./key } }\n',
    'app/web/Dockerfile': 'FROM scratch',
    'app/web.env': 'LEVEL=info\n',
    'deploy/x': '',
  })
  const answer = await importFiles({
    files: ['app/compose.yaml'],
    cwd: directory,
    directory: join(directory, 'deploy'),
    environment: {},
    profiles: [],
    hostMemoryBytes: 1024 ** 3,
    isRoot: true,
  })
  assert.ok(answer.ok)
  assert.match(answer.text, /image: \{ build: '\.\.\/app\/web' \}/)
  assert.match(answer.text, /KEY: secret\.file\('\.\.\/app\/key'\)/)
  assert.deepEqual(answer.notes, [])
})

test('what only the config refuses is listed with the line that it came from, and the rest loads', async (t) => {
  const directory = folder(t)
  place(directory, {
    'compose.yaml': `services:
  a: { image: x, ports: ["80:80"] }
  b:
    image: y
    cpus: 0.001
    ports: ["80:80"]
  Bad_Image:
    image: "Bad Image"
`,
  })
  const { notes, text } = await imported(directory)
  assert.deepEqual(
    notes.map(({ at, path }) => `${at?.line} ${path}`),
    ['5 services.b.cpu', '6 services.b.route', '8 services.bad-image', '8 services.bad-image', '8 services.bad-image.image'],
  )
  assert.ok(!text.includes('bad-image'))
})

test('a secret in a command is told of, and its default stays out of the config', async (t) => {
  const directory = folder(t)
  place(directory, { 'compose.yaml': 'services: { web: { image: a, command: "serve --password ${DB_PASSWORD:-hunter2}" } }\n' })
  const { text, notes } = await imported(directory)
  assert.ok(!text.includes('hunter2'), text)
  assert.deepEqual(
    notes.map(({ path, message }) => `${path}: ${message}`),
    ['services.web.command: DB_PASSWORD: what stands in a command is recorded and shown'],
  )
})

test('a value of the shell wins over .env, and the config says so by itself', async (t) => {
  const directory = folder(t)
  cpSync(join(testdata, 'variables'), directory, { recursive: true })
  const file = join(directory, 'daruma.config.ts')
  writeFileSync(file, (await imported(directory)).text)
  const seen: string[] = []
  for (const [name, value] of [
    ['HOST_NAME', 'other.example.com'],
    ['TAG', '7'],
  ] as const) {
    process.env[name] = value
    t.after(() => delete process.env[name])
    const loaded = await loadConfig({ file, stage: null, cwd: directory, loadCron: null })
    assert.ok(loaded.ok, JSON.stringify(loaded))
    const web = loaded.project.services.find((service) => service.name === 'web')
    seen.push(`${web?.environment['HOST']} ${JSON.stringify(web?.container?.image)}`)
  }
  t.after(() => delete process.env['DB_PASSWORD'])
  assert.deepEqual(seen, [
    'other.example.com {"from":"registry","reference":"example/web:latest"}',
    'other.example.com {"from":"registry","reference":"example/web:7"}',
  ])
})

/** Each Compose file and the whole message that it gets. */
const bad: Readonly<Record<string, { readonly files: Readonly<Record<string, string>>; readonly says: string }>> = {
  'YAML that is none': {
    files: { 'compose.yaml': 'services:\n  web:\n    image: [a\n' },
    says: 'compose.yaml:4:1  not YAML: Flow sequence in block collection must be sufficiently indented and end with a ]\n  4 | \n    | ^',
  },
  'a tab': {
    files: { 'compose.yaml': 'services:\n\tweb: { image: a }\n' },
    says: 'compose.yaml:2:1  not YAML: Tabs are not allowed as indentation\n  2 |   web: { image: a }\n    | ^',
  },
  'a key twice': {
    files: { 'compose.yaml': 'services:\n  web: { image: a }\n  web: { image: b }\n' },
    says: 'compose.yaml:3:3  not YAML: Map keys must be unique\n  3 |   web: { image: b }\n    |   ^',
  },
  'an anchor that is not there': {
    files: { 'compose.yaml': 'services:\n  web:\n    <<: *base\n    image: a\n' },
    says: 'compose.yaml:3:9  services.web["<<"]  there is no anchor &base\n  3 |     <<: *base\n    |         ^',
  },
  'nothing in it': {
    files: { 'compose.yaml': '# nothing\n' },
    says: 'compose.yaml:1:1  the file is empty\n  1 | # nothing\n    | ^\n  allowed: services: …',
  },
  'no services': {
    files: { 'compose.yaml': 'version: "3"\n' },
    says: 'compose.yaml:1:1  services  the file has no services\n  1 | version: "3"\n    | ^\n  allowed: services: { web: { image: … } }',
  },
  'wrong types, all at once': {
    files: {
      'compose.yaml':
        'services:\n  web:\n    image: a\n    ports: 80\n    environment: 5\n    command: { a: 1 }\n    read_only: maybe\n',
    },
    says: [
      'compose.yaml:6:14  services.web.command  { a: 1 } is not accepted here\n  6 |     command: { a: 1 }\n    |              ^\n  allowed: a command line, or a list of words',
      "compose.yaml:7:16  services.web.read_only  'maybe' is not accepted here\n  7 |     read_only: maybe\n    |                ^\n  allowed: true or false",
      'compose.yaml:5:18  services.web.environment  5 is not accepted here\n  5 |     environment: 5\n    |                  ^\n  allowed: a mapping',
      'compose.yaml:4:12  services.web.ports  80 is not accepted here\n  4 |     ports: 80\n    |            ^\n  allowed: a list',
    ].join('\n\n'),
  },
  'a port that is none': {
    files: { 'compose.yaml': 'services:\n  web:\n    image: a\n    ports: ["80:http"]\n' },
    says: "compose.yaml:4:13  services.web.ports[0]  '80:http' is not accepted here\n  4 |     ports: [\"80:http\"]\n    |             ^\n  allowed: a port such as '8080:80', '127.0.0.1:8080:80/tcp', or { target, published }",
  },
  'a service that is not there': {
    files: { 'compose.yaml': 'services:\n  web: { image: a, depends_on: [databse] }\n  database: { image: b }\n' },
    says: 'compose.yaml:2:33  services.web.depends_on  there is no service databse\n  2 |   web: { image: a, depends_on: [databse] }\n    |                                 ^\n  allowed: database\n  did you mean database?',
  },
  'a condition that is none': {
    files: {
      'compose.yaml': 'services:\n  web: { image: a, depends_on: { db: { condition: service_healty } } }\n  db: { image: b }\n',
    },
    says: "compose.yaml:2:51  services.web.depends_on.db.condition  'service_healty' is not accepted here\n  2 |   web: { image: a, depends_on: { db: { condition: service_healty } } }\n    |                                                   ^\n  allowed: service_started, service_healthy, service_completed_successfully\n  did you mean service_healthy?",
  },
  'a circle': {
    files: {
      'compose.yaml':
        'services:\n  a: { image: a, depends_on: [b] }\n  b: { image: b, depends_on: [c] }\n  c:\n    image: c\n    depends_on:\n      - a\n',
    },
    says: 'compose.yaml:7:9  services.c.depends_on  a → b → c → a: each waits for the next\n  7 |       - a\n    |         ^\n  allowed: an order that begins somewhere',
  },
  'a service that extends itself': {
    files: { 'compose.yaml': 'services:\n  a: { extends: b }\n  b: { extends: { service: a } }\n' },
    says: [
      'compose.yaml:2:17  services.a.extends  a extends itself\n  2 |   a: { extends: b }\n    |                 ^',
      'compose.yaml:3:17  services.b.extends  b extends itself\n  3 |   b: { extends: { service: a } }\n    |                 ^',
    ].join('\n\n'),
  },
  'a variable without a value': {
    files: { 'compose.yaml': 'services:\n  web: { image: "a:${TAG:?which one}", command: "$5" }\n' },
    says: [
      'compose.yaml:2:17  services.web.image  TAG has no value: which one\n  2 |   web: { image: "a:${TAG:?which one}", command: "$5" }\n    |                 ^\n  allowed: TAG=… in the environment of this command, or in .env',
      'compose.yaml:2:49  services.web.command  a lone $ in "$5"\n  2 |   web: { image: "a:${TAG:?which one}", command: "$5" }\n    |                                                 ^\n  allowed: $$ for a dollar sign',
    ].join('\n\n'),
  },
  'neither image nor build': {
    files: { 'compose.yaml': 'services:\n  web:\n    command: serve\n' },
    says: "compose.yaml:3:5  services.web  web has neither an image nor a build\n  3 |     command: serve\n    |     ^\n  allowed: image: 'name:tag', or build: ./folder",
  },
  'a file of variables that is not there, or has another form': {
    files: {
      'compose.yaml': 'services:\n  web: { image: a, env_file: [./none.env, ./odd.env] }\n',
      'odd.env': 'FINE=1\n!!! what\nOPEN="never closed\n',
    },
    says: [
      'compose.yaml:2:31  there is no file ./none.env\n  2 |   web: { image: a, env_file: [./none.env, ./odd.env] }\n    |                               ^',
      'odd.env:2:1  "!!! what" is no assignment\n  2 | !!! what\n    | ^\n  allowed: NAME=value',
      'odd.env:3:1  the quotes of OPEN are not closed\n  3 | OPEN="never closed\n    | ^',
    ].join('\n\n'),
  },
  'an include that comes back': {
    files: {
      'compose.yaml': 'include: [other.yaml]\nservices: { a: { image: a } }\n',
      'other.yaml': 'include: [compose.yaml]\nservices: { b: { image: b } }\n',
    },
    says: 'other.yaml:1:11  include  ./compose.yaml includes itself\n  1 | include: [compose.yaml]\n    |           ^',
  },
}

for (const [name, { files, says }] of Object.entries(bad)) {
  test(`refused with its line: ${name}`, async (t) => {
    const directory = folder(t)
    place(directory, files)
    const answer = await importFrom(directory)
    assert.ok(!answer.ok, 'it was accepted')
    assert.equal(renderProblems(answer.problems).replaceAll(`${directory}/`, './').replaceAll(/^\.\//gm, ''), says)
  })
}

test('aliases of aliases do not fill the memory, nor a deep file the stack', async (t) => {
  const directory = folder(t)
  const levels = Array.from(
    { length: 12 },
    (_, level) => `x-${level + 1}: &a${level + 1} [${Array.from({ length: 10 }, () => `*a${level}`).join(', ')}]`,
  )
  place(directory, {
    'compose.yaml': `x-0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n${levels.join('\n')}\nservices: { web: { image: a } }\n`,
    'deep.yaml': `services: ${'['.repeat(5000)}${']'.repeat(5000)}\n`,
  })
  for (const file of ['compose.yaml', 'deep.yaml']) {
    const answer = await importFrom(directory, { files: [file] })
    assert.ok(!answer.ok)
    assert.ok(
      answer.problems.some(({ code }) => code === 'E_COMPOSE_TOO_LARGE' || code === 'E_COMPOSE_SYNTAX'),
      JSON.stringify(answer.problems),
    )
  }
})

test(
  'whatever a file says under its keys, it is refused with a place, or what is written loads',
  { timeout: 120_000 },
  async (t) => {
    const directory = folder(t)
    const word = fc.oneof(
      fc.constantFrom(
        'web',
        'db',
        'a:b',
        '80:80',
        './x:/y',
        '${X:-y}',
        '$$',
        "it's `${q}`",
        'true',
        '1h5s',
        '*/',
        '\u2028',
        '',
        '../..',
        'A=b',
        'redis:7',
      ),
      fc.string({ maxLength: 12 }),
    )
    const leaf = fc.oneof(word, fc.integer({ min: -5, max: 70_000 }), fc.boolean(), fc.constant(null))
    const value = fc.oneof(
      leaf,
      fc.array(leaf, { maxLength: 3 }),
      fc.dictionary(word, leaf, { maxKeys: 3 }),
      fc.array(
        fc.dictionary(fc.constantFrom('target', 'source', 'type', 'published', 'path', 'protocol'), leaf, { maxKeys: 3 }),
        { maxLength: 2 },
      ),
    )
    const key = fc.constantFrom(
      'command',
      'environment',
      'ports',
      'expose',
      'volumes',
      'depends_on',
      'healthcheck',
      'restart',
      'deploy',
      'user',
      'labels',
      'secrets',
      'env_file',
      'stop_grace_period',
      'mem_limit',
      'cpus',
      'scale',
      'logging',
      'network_mode',
      'profiles',
      'build',
      'networks',
      'links',
      'tmpfs',
      'cap_add',
      '__proto__',
      'odd',
    )
    const service = fc.dictionary(key, value, { maxKeys: 4 }).map((fields) => ({ image: 'redis:7', ...fields }))
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom('web', 'db', 'Big_One', '1st', '__proto__'), service, { minKeys: 1, maxKeys: 3 }),
        async (services) => {
          place(directory, { 'compose.yaml': JSON.stringify({ services }) })
          const answer = await importFrom(directory)
          if (!answer.ok) {
            assert.ok(
              answer.problems.length > 0 &&
                answer.problems.every(
                  ({ line, message }) => line !== null || message.startsWith('and ') || message.includes('cannot be read'),
                ),
              JSON.stringify(answer.problems),
            )
            return
          }
          accepted += 1
          const file = join(directory, 'daruma.config.ts')
          writeFileSync(file, answer.text)
          const loaded = await loadConfig({ file, stage: null, cwd: directory, loadCron: null })
          assert.ok(
            loaded.ok || loaded.problems.every(({ code }) => code === 'E_CONFIG_NEEDS_ROOT' || /FILE|BUILD|IMAGE/.test(code)),
            `${JSON.stringify(loaded)}\n${answer.text}`,
          )
        },
      ),
      { numRuns: 300 },
    )
    assert.ok(accepted > 30, `only ${accepted} were accepted`)
    assert.ok(existsSync(join(directory, 'daruma.config.ts')))
  },
)
