/** What a config can do to the command that loads it, through the real command. */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'

import { hangLimit } from '../../test/hang-limit.ts'
import { temporaryFolder } from '../../test/cli/harness.ts'
import { baseEnvironment } from '../../test/daemon-harness.ts'

const entry = fileURLToPath(new URL('./cli.ts', import.meta.url))
const cache = new URL('./process/compile-cache.ts', import.meta.url).href
const sound = "export default { name: 'shop', services: { web: { command: 'sleep 1' } } }\n"

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

async function plan(config: string, environment: Readonly<Record<string, string>> = {}, ...flags: string[]): Promise<Outcome> {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'daruma.config.ts'), config)
  const child = spawn(process.execPath, [entry, 'plan', '--state', join(folder.path, 'state'), ...flags], {
    cwd: folder.path,
    env: { ...baseEnvironment(), ...environment },
    timeout: hangLimit(120_000),
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part))
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, stdout, stderr }
}

test('a config that loops for ever is ended at a limit that is said and can be set', async () => {
  const { code, stdout, stderr } = await plan(`while (true) {}\n${sound}`, { DARUMA_CONFIG_TIMEOUT: '3500ms' })
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
  assert.match(stderr, /^still evaluating \/.*daruma\.config\.ts \(3\.\d s so far, at most 3\.5 s: DARUMA_CONFIG_TIMEOUT\)\n/)
  assert.match(
    stderr,
    /\ndaruma\.config\.ts {2}the config was not evaluated in time: it still ran after 3\.5 s .*\[E_CONFIG_SLOW\]/,
  )
})

test('so is a getter that loops, and a promise that never settles is told apart from both', async () => {
  const limit = { DARUMA_CONFIG_TIMEOUT: '500ms' }
  const getter = await plan('export default { name: "x", get services() { for (;;); } }', limit)
  assert.match(getter.stderr, /^daruma\.config\.ts {2}.*it still ran after 0\.5 s .*\[E_CONFIG_SLOW\]/m)
  const promise = await plan('export default () => new Promise((resolve) => setTimeout(resolve, 1e6))', limit)
  assert.match(promise.stderr, /the promise that it gave did not settle within 0\.5 s \[E_CONFIG_SLOW\]/)
})

test('TypeScript is TypeScript, with types and without, also where JavaScript would read it otherwise and not complain', async () => {
  const named = (name: string): string => `export default { name: ${name}, services: { web: { command: 'sleep 1' } } }`
  const configs: Readonly<Record<string, string>> = {
    plain: named(`'plain'`),
    types: `const name: string = 'types'\n${named('name')}`,
    // As JavaScript two comparisons: false.
    generic: `function same(value) { return value }\n${named("same<string>('generic')")}`,
  }
  for (const [name, config] of Object.entries(configs)) {
    const { code, stdout, stderr } = await plan(config)
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    assert.match(stdout, new RegExp(`\\b${name}\\b`), stdout)
  }
})

test('a limit that is none is refused', async () => {
  for (const text of ['soon', '0s', '3d']) {
    const { code, stderr } = await plan(sound, { DARUMA_CONFIG_TIMEOUT: text })
    assert.equal(code, 1)
    assert.match(stderr, /DARUMA_CONFIG_TIMEOUT is ".*", which is not a duration of at most a day\. \[E_USAGE\]/)
  }
})

test('a config that ends the process, or throws where nobody catches, ends only its own loading', async () => {
  const exit = await plan(`process.exit(0)\n${sound}`)
  assert.equal(exit.code, 1)
  assert.match(exit.stderr, /^daruma\.config\.ts {2}the config called process\.exit\(0\) \[E_CONFIG_THREW\]/)
  const later = await plan(`await new Promise(() => setImmediate(() => { throw new RangeError('later') }))\n${sound}`)
  assert.equal(later.code, 1)
  assert.match(later.stderr, /^daruma\.config\.ts {2}the config threw RangeError: later .*\[E_CONFIG_THREW\]/)
})

test('what a config prints leaves stdout to the command, and what it puts into the environment stays', async () => {
  const { code, stdout, stderr } = await plan(
    `import { secret } from 'daruma'
process.env['FROM_CONFIG'] = 'as dotenv does'
console.log('loading')
export default { name: 'shop', services: { web: { command: 'sleep 1', environment: { A: secret('FROM_CONFIG') } } } }`,
    {},
    '--json',
  )
  assert.equal(code, 0, stderr)
  assert.equal((JSON.parse(stdout) as { kind: string }).kind, 'plan')
  assert.match(stderr, /^loading\n/)
})

test(
  'a home that can hold nothing costs the cache of compiled code, and nothing else',
  { skip: process.geteuid?.() === 0 ? false : 'needs root' },
  () => {
    const script = `exec setpriv --reuid 65534 --clear-groups "$0" "$@"`
    const words = [
      '-c',
      script,
      process.execPath,
      '--input-type=module',
      '-e',
      `await import(${JSON.stringify(cache)}).then((m) => m.keepCompiledCode())`,
    ]
    const run = spawnSync('sh', words, {
      env: { ...baseEnvironment(), HOME: '/proc/daruma', XDG_CACHE_HOME: '/proc/daruma' },
      timeout: hangLimit(60_000),
      encoding: 'utf8',
    })
    assert.deepEqual({ status: run.status, stderr: run.stderr }, { status: 0, stderr: '' })
  },
)
