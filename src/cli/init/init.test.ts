import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import fc from 'fast-check'
import { loadConfig } from '../../adapters/config-file/index.ts'
import type { Service } from '../../core/model/service.ts'
import { proposeConfig } from './propose.ts'
import { writeStarter } from './write.ts'

function folder(t: TestContext, files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'shop-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

async function loadStarter(directory: string): Promise<readonly Service[]> {
  const { file } = await writeStarter(directory, {})
  const loaded = await loadConfig({ file, stage: null, cwd: directory, loadCron: null })
  assert.ok(loaded.ok, `${JSON.stringify(loaded)}\n${readFileSync(file, 'utf8')}`)
  return loaded.project.services
}

/** What a person would look at first. */
const brief = (services: readonly Service[]): readonly string[] =>
  services.map(({ name, scale, runs, after }) => {
    const command = runs.command ?? []
    const words = command[0] === '/bin/sh' ? command[2] : JSON.stringify(command)
    return [name, scale.kind, words, ...after.map(({ service, condition }) => `after ${service} ${condition}`)].join(' | ')
  })

test('an empty folder gets a service that runs anywhere', async (t) => {
  const services = await loadStarter(folder(t, {}))
  assert.deepEqual(brief(services), ['hello | replicas | while :; do date; sleep 5; done'])
})

test('a Procfile becomes services, its release a job that comes first', async (t) => {
  const directory = folder(t, {
    Procfile: '# web\nweb: node server.js -p $PORT\nclock: node clock.js\n\nrelease: node migrate.js\nnot a line\n',
  })
  assert.deepEqual(brief(await loadStarter(directory)), [
    'clock | singleton | node clock.js | after release completed',
    'release | job | node migrate.js',
    'web | replicas | node server.js -p $PORT | after release completed',
  ])
})

test('package.json scripts that stay become services, tools do not', async (t) => {
  const scripts = {
    start: 'node server.js',
    dev: 'vite',
    test: 'vitest',
    build: 'tsc',
    'worker:mail': 'tsx mail.ts',
    'db:migrate': 'prisma migrate deploy',
  }
  const directory = folder(t, { 'package.json': JSON.stringify({ name: '@me/My_Shop', scripts }), 'pnpm-lock.yaml': '' })
  assert.deepEqual(brief(await loadStarter(directory)), [
    'db-migrate | job | pnpm run db:migrate',
    'web | replicas | node server.js | after db-migrate completed',
    'worker-mail | replicas | pnpm run worker:mail | after db-migrate completed',
  ])
  assert.match(readFileSync(join(directory, 'daruma.config.ts'), 'utf8'), /^ {2}name: 'my-shop',$/m)
})

test('what runs from the folder has it as its source, with its packages installed for each release', async (t) => {
  const scripts = { start: 'node server.js' }
  const files = { 'package.json': JSON.stringify({ name: 'shop', scripts }) }
  const sourceIn = async (more: Readonly<Record<string, string>>): Promise<unknown> => {
    const [service] = await loadStarter(folder(t, { ...files, ...more }))
    const source = service?.runs.kind === 'process' ? service.runs.source : null
    return [source?.path, source?.ignore, source?.build?.command.at(-1) ?? null]
  }
  assert.deepEqual(await sourceIn({}), ['.', [], null])
  assert.deepEqual(await sourceIn({ 'package-lock.json': '{}' }), ['.', ['node_modules'], 'npm ci'])
  assert.deepEqual(await sourceIn({ 'pnpm-lock.yaml': '' }), ['.', ['node_modules'], 'pnpm install --frozen-lockfile'])
  assert.deepEqual(await sourceIn({ Procfile: 'web: node x.js', 'yarn.lock': '' }), [
    '.',
    ['node_modules'],
    'yarn install --frozen-lockfile',
  ])
})

const compose = `
name: shop
x-common: &common { restart: unless-stopped, environment: { LEVEL: info } }
services:
  web:
    <<: *common
    build: .
    command: node server.js
    environment: [ "POSTGRES_PASSWORD=hunter2", "API_URL=\${API_URL}", "PORT=3000", "FROM_SHELL", "X=it's \\\\ \\"quoted\\"" ]
    ports: ["8080:3000"]
    volumes: ["data:/data", "./src:/src"]
    depends_on: { db: { condition: service_healthy }, migrate: { condition: service_completed_successfully } }
    healthcheck: { test: ["CMD", "curl", "-f", "localhost"], interval: 1m30s, retries: 3, start_period: 40s }
    mem_limit: 50m
    stop_signal: SIGINT
    stop_grace_period: 20s
    networks: [front]
    user: node
  migrate: { image: shop, entrypoint: [node], command: migrate.js --all }
  db: { image: "postgres:16", volumes: ["pg:/var/lib/postgresql/data"] }
networks: { front: {} }
`

test('a Compose file is carried over as far as a config can say it; the rest is named, and no password is copied', async (t) => {
  const directory = folder(t, { 'compose.yaml': compose, Dockerfile: 'FROM scratch' })
  const services = await loadStarter(directory)
  const web = services.find(({ name }) => name === 'web')
  assert.deepEqual(brief(services), [
    'db | singleton | []',
    'migrate | job | ["node","migrate.js","--all"]',
    'web | singleton | ["node","server.js"] | after db started | after migrate completed',
  ])
  assert.deepEqual(
    {
      environment: web?.environment,
      secrets: Object.keys(web?.secrets ?? {}),
      volumes: web?.volumes,
      port: web?.port,
      readiness: web?.health.readiness,
      startPeriodMs: web?.health.startPeriodMs,
      memoryBytes: web?.limits.memoryBytes,
      stop: web?.stop,
    },
    {
      environment: { X: 'it\'s \\ "quoted"', API_URL: '', FROM_SHELL: '' },
      secrets: ['POSTGRES_PASSWORD'],
      volumes: [{ name: 'data', target: '/data' }],
      port: { kind: 'auto' },
      readiness: {
        check: { kind: 'exec', command: ['curl', '-f', 'localhost'] },
        intervalMs: 90_000,
        timeoutMs: 30_000,
        retries: 3,
      },
      startPeriodMs: 310_000,
      // Only root can limit memory, so nobody else is given a limit.
      memoryBytes: process.geteuid?.() === 0 ? 52_428_800 : null,
      stop: { signal: 'SIGINT', gracePeriodMs: 20_000, to: 'leader' },
    },
  )
  const text = readFileSync(join(directory, 'daruma.config.ts'), 'utf8')
  assert.ok(!text.includes('hunter2'), text)
  const comments = text.split('\n').filter((line) => line.trimStart().startsWith('//'))
  for (const word of ['entrypoint', './src:/src', 'POSTGRES_PASSWORD', 'depends_on.db']) {
    assert.ok(
      comments.some((line) => line.includes(word)),
      `${word} is not mentioned in\n${text}`,
    )
  }
})

test('a file that cannot be understood is a comment, not an error', async (t) => {
  const directory = folder(t, { 'compose.yaml': 'services: [\n', 'package.json': '{' })
  assert.deepEqual(brief(await loadStarter(directory)), ['hello | replicas | while :; do date; sleep 5; done'])
  const text = readFileSync(join(directory, 'daruma.config.ts'), 'utf8')
  assert.match(text, /^\/\/ compose\.yaml line 2 could not be understood: /m)
  assert.match(text, /^\/\/ package\.json could not be understood: /m)
})

test('an existing config of any name is never overwritten', async (t) => {
  for (const name of ['daruma.config.ts', 'daruma.config.mjs']) {
    const directory = folder(t, { [name]: 'mine' })
    await assert.rejects(writeStarter(directory, {}), {
      code: 'E_INIT_EXISTS',
      message: `${join(directory, name)} is already there and stays as it is`,
    })
    assert.deepEqual([readdirSync(directory), readFileSync(join(directory, name), 'utf8')], [[name], 'mine'])
  }
})

test('whatever was found, the proposal is a module without a stray line: no text of others leaves its comment or its string', async () => {
  const { parseSync } = await import('oxc-parser')
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom("'", '*/', '\n', '\u2028', '`', '${x}', '\\', 'web', '//'),
  )
  const value = fc.oneof(text, fc.integer(), fc.array(text, { maxLength: 3 }), fc.dictionary(text, text, { maxKeys: 3 }))
  const key = fc.constantFrom(
    'command',
    'environment',
    'after',
    'volumes',
    'health',
    'port',
    'restart',
    'job',
    'replicas',
    'memory',
    '__proto__',
  )
  const service = fc.record({
    name: text,
    source: text,
    written: fc.dictionary(key, value, { maxKeys: 5 }),
    notes: fc.array(text, { maxLength: 2 }),
    remarks: fc.constant({}),
  })
  const found = fc.record({
    name: text,
    services: fc.array(service, { maxLength: 4 }),
    notes: fc.array(text, { maxLength: 2 }),
    hostMemoryBytes: fc.constant(1024 ** 3),
    isRoot: fc.boolean(),
  })
  fc.assert(
    fc.property(found, (one) => {
      const proposal = proposeConfig(one)
      const { errors, program } = parseSync('daruma.config.ts', proposal)
      assert.deepEqual(errors, [], proposal)
      assert.deepEqual(
        program.body.map(({ type }) => type),
        ['ImportDeclaration', 'ExportDefaultDeclaration'],
        proposal,
      )
    }),
    { numRuns: 100 },
  )
})
