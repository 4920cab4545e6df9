import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { hangLimit } from '../../../test/hang-limit.ts'
import { normaliseConfig } from '../../core/config/normalise.ts'
import type { Project, SecretSource } from '../../core/model/service.ts'
import { type ResolvedSecrets, resolveSecrets } from './index.ts'

function projectWith(services: Readonly<Record<string, Readonly<Record<string, SecretSource>>>>): Project {
  const written = Object.entries(services).map(([name, secrets]) => [name, { command: 'x', secrets }])
  const answer = normaliseConfig(
    { name: 'shop', services: Object.fromEntries(written) as unknown },
    { directory: '/', stage: null, root: true, hostMemoryBytes: 1024 ** 3, wallTime: null },
  )
  assert.ok(answer.ok, JSON.stringify(answer))
  return answer.project
}

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'daruma-secrets-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

const said = (answer: ResolvedSecrets): readonly string[] =>
  answer.ok
    ? ['accepted']
    : answer.problems.map(({ code, path, message, allowed }) => `${code} ${path.join('.')}: ${message} | ${allowed}`)

const node = (script: string): SecretSource => ({ from: 'command', command: [process.execPath, '-e', script] })

test('values come from the environment, a file and a command, without the line feed at their end', async (t) => {
  const file = join(folder(t), 'password')
  writeFileSync(file, 'from file\n\n', { mode: 0o600 })
  const project = projectWith({
    web: { A: { from: 'environment', name: 'SHOP_A' }, B: { from: 'file', path: file } },
    worker: { C: node("process.stdout.write('from ' + process.env.SHOP_A + '\\r\\n')") },
    plain: {},
  })
  assert.deepEqual(await resolveSecrets(project, { SHOP_A: 'from environment\n' }), {
    ok: true,
    values: { web: { A: 'from environment\n', B: 'from file\n' }, worker: { C: 'from from environment\n' } },
    warnings: [],
  })
})

test('a file that everybody may read is used, and said', async (t) => {
  const file = join(folder(t), 'password')
  writeFileSync(file, 'x')
  chmodSync(file, 0o644)
  const answer = await resolveSecrets(
    projectWith({ web: { A: { from: 'file', path: file } }, api: { B: { from: 'file', path: file } } }),
    {},
  )
  assert.deepEqual(answer, {
    ok: true,
    values: { api: { B: 'x' }, web: { A: 'x' } },
    warnings: [`the secret file ${file} can be read by every user of this machine: chmod 600 ${file}`],
  })
})

test('a source that is named twice is asked once', async (t) => {
  const counter = join(folder(t), 'count')
  const source = node(`require('fs').appendFileSync(${JSON.stringify(counter)}, '+'); process.stdout.write('v')`)
  const answer = await resolveSecrets(projectWith({ a: { X: source, Y: source }, b: { X: source } }), {})
  assert.deepEqual(answer, { ok: true, values: { a: { X: 'v', Y: 'v' }, b: { X: 'v' } }, warnings: [] })
  assert.equal(readFileSync(counter, 'utf8'), '+')
})

test('everything that gives no value is reported at once, with the place that asked', async (t) => {
  const directory = folder(t)
  mkdirSync(join(directory, 'd'))
  writeFileSync(join(directory, 'nul'), 'a\0b', { mode: 0o600 })
  writeFileSync(join(directory, 'large'), 'x'.repeat(130_000), { mode: 0o600 })
  const file = (name: string): SecretSource => ({ from: 'file', path: join(directory, name) })
  const project = projectWith({
    web: {
      UNSET: { from: 'environment', name: 'NOT_SET' },
      EMPTY: { from: 'environment', name: 'IS_EMPTY' },
      NONE: file('none'),
      DIR: file('d'),
      NUL: file('nul'),
      LARGE: file('large'),
      ABSENT: { from: 'command', command: ['no-such-program-anywhere'] },
      FAILS: node("console.log('hunter2'); console.error('hunter2'); process.exit(3)"),
      SILENT: node(''),
      FLOOD: node("for (;;) process.stdout.write('x'.repeat(65536))"),
    },
  })
  const answer = await resolveSecrets(project, { IS_EMPTY: '', PATH: process.env['PATH'] })
  const at = 'services.web.secrets'
  assert.deepEqual(
    said(answer).map((line) => line.replaceAll(directory, '.').replaceAll(process.execPath, 'node')),
    [
      `E_SECRET_MISSING ${at}.UNSET: the environment variable NOT_SET is not set | NOT_SET=… in the environment of this command`,
      `E_SECRET_MISSING ${at}.EMPTY: the environment variable IS_EMPTY is empty | IS_EMPTY=… in the environment of this command`,
      `E_SECRET_UNREADABLE ${at}.NONE: the secret file ./none does not exist | null`,
      `E_SECRET_UNREADABLE ${at}.DIR: the secret file ./d is not a regular file | a file`,
      `E_SECRET_VALUE ${at}.NUL: the secret file ./nul gives a value with a NUL byte in it | text`,
      `E_SECRET_VALUE ${at}.LARGE: the secret file ./large gives more than 120 KiB | at most 120 KiB`,
      `E_SECRET_COMMAND ${at}.ABSENT: the secret command no-such-program-anywhere is not there | a program in the PATH, or a path that begins with ./ or /`,
      `E_SECRET_COMMAND ${at}.FAILS: the secret command node failed: exit code 3 | exit code 0`,
      `E_SECRET_MISSING ${at}.SILENT: the secret command node gives an empty value | a value`,
      `E_SECRET_VALUE ${at}.FLOOD: the secret command node gives more than 120 KiB | at most 120 KiB`,
    ],
  )
  assert.ok(!JSON.stringify(answer).includes('hunter2\n'), 'the output of a failing command was repeated')
})

test('a command that does not end is ended with everything it started', async (t) => {
  const pidFile = join(folder(t), 'pid')
  const script = `sleep 600 & echo $! > ${pidFile}; wait`
  const project = projectWith({ web: { A: { from: 'command', command: ['/bin/sh', '-c', script] } } })
  const answer = await resolveSecrets(project, process.env, { commandLimitMs: 500 })
  assert.deepEqual(said(answer), [
    'E_SECRET_COMMAND services.web.secrets.A: the secret command /bin/sh did not end within 0.5 s | a command that asks nothing and ends',
  ])
  const pid = Number(readFileSync(pidFile, 'utf8'))
  const deadline = performance.now() + hangLimit(5000)
  while (isRunning(pid)) {
    assert.ok(performance.now() < deadline, `process ${pid} is still there`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
})

/** A zombie that nobody has reaped yet does not run. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
