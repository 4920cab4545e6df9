import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { hangLimit } from '../../test/hang-limit.ts'
import { folder, imported, importFrom, place } from '../../test/support/compose-bed.ts'
import { loadConfig } from '../adapters/config-file/index.ts'
import { importFiles, type Imported } from './import.ts'

const root = join(import.meta.dirname, '../..')
const testdata = join(import.meta.dirname, 'testdata')
/** Compose files in the shapes of the common ones; each stands in a folder with what it refers to. */
const samples = readdirSync(testdata)

/** The config and the list, as a person sees both. */
function shown({ text, notes }: Extract<Imported, { readonly ok: true }>, directory: string): string {
  const list = notes.map(
    ({ at, path, message, instead }) =>
      `${at === null ? '-' : `${at.file.replace(`${directory}/`, '')}:${at.line}`}  ${path}\n    ${message}\n    → ${instead}\n`,
  )
  return `${text}\n${list.length === 0 ? 'Everything was carried over.\n' : list.join('')}`.replaceAll(directory, '.')
}

test('each sample becomes the config, and the list of what is missing, that stand beside it', async (t) => {
  assert.ok(samples.length >= 28, `${samples.length} samples`)
  for (const sample of samples) {
    const directory = folder(t)
    cpSync(join(testdata, sample), join(directory, sample), { recursive: true })
    const actual = shown(await imported(join(directory, sample)), join(directory, sample))
    const expected = join(testdata, sample, 'expected.txt')
    // UPDATE_EXPECTED=1 writes them again, for somebody who then reads the difference.
    if (process.env['UPDATE_EXPECTED'] !== undefined) writeFileSync(expected, actual)
    assert.equal(actual, readFileSync(expected, 'utf8'), sample)
  }
})

test('what is written loads, alone and with every profile, and TypeScript accepts it', async (t) => {
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
  const check = promisify(execFile)(process.execPath, [compiler, '-p', directory], { timeout: hangLimit(100_000) })
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

test('a secret in a health check is not copied: the container has it as a variable, or it is told of', async (t) => {
  const directory = folder(t)
  place(directory, {
    'compose.yaml': `services:
  db:
    image: mysql
    environment: { MYSQL_ROOT_PASSWORD: "\${ROOT_PASSWORD:?}" }
    healthcheck: { test: "mysqladmin ping -uroot -p\${ROOT_PASSWORD} -h\${DB_HOST:-localhost}" }
  queue:
    image: redis
    healthcheck: { test: [CMD, redis-cli, -a, "\${REDIS_PASSWORD:-hunter2}", ping] }
`,
    '.env': 'ROOT_PASSWORD=hunter2\nREDIS_PASSWORD=hunter2\n',
  })
  const { text, notes } = await imported(directory)
  assert.ok(!text.includes('hunter2'), text)
  assert.ok(
    text.includes("exec: `mysqladmin ping -uroot -p$MYSQL_ROOT_PASSWORD -h${process.env['DB_HOST'] || 'localhost'}`"),
    text,
  )
  assert.deepEqual(
    notes.map(({ path, message }) => `${path}: ${message}`),
    ['services.queue.healthcheck: REDIS_PASSWORD: what stands in a command is recorded and shown'],
  )
})

test('what stands in a file stays data: no text of it becomes code, nor a prototype', async (t) => {
  const directory = folder(t)
  place(directory, {
    'compose.yaml': 'services: { web: { image: a, env_file: web.env, environment: { __proto__: kept } } }\n',
    'web.env': 'A={globalThis.touched = 1}\nB=$$${A} ${HOME}\n',
  })
  const file = join(directory, 'daruma.config.ts')
  writeFileSync(file, (await imported(directory)).text)
  const loaded = await loadConfig({ file, stage: null, cwd: directory, loadCron: null })
  assert.ok(loaded.ok, JSON.stringify(loaded))
  assert.equal('touched' in globalThis, false)
  const { environment = {} } = loaded.project.services[0] ?? {}
  assert.equal(environment['B'], `\${globalThis.touched = 1} ${process.env['HOME'] ?? ''}`)
  assert.equal(Object.hasOwn(environment, '__proto__'), true)
})

test('a file of very many lines or aliases is read in one go', async (t) => {
  const directory = folder(t)
  place(directory, {
    'compose.yaml': `x: &x { a: 1 }\nx-all:\n${'  - *x\n'.repeat(30_000)}services: { web: { image: a, env_file: web.env } }\n`,
    'web.env': '# a line\n'.repeat(100_000),
  })
  assert.ok((await importFrom(directory)).ok)
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
    seen.push(`${web?.environment['HOST']} ${JSON.stringify(web?.runs.kind === 'container' ? web.runs.image : null)}`)
  }
  t.after(() => delete process.env['DB_PASSWORD'])
  assert.deepEqual(seen, [
    'other.example.com {"from":"registry","reference":"example/web:latest"}',
    'other.example.com {"from":"registry","reference":"example/web:7"}',
  ])
})

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

test('whatever a file says under its keys, it is refused with a place, or what is written loads', async (t) => {
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
    fc.array(fc.dictionary(fc.constantFrom('target', 'source', 'type', 'published', 'path', 'protocol'), leaf, { maxKeys: 3 }), {
      maxLength: 2,
    }),
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
})
