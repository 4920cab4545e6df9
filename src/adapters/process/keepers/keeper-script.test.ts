/** Messages as the shells of this machine carry them out: every word arrives as it was, or nothing is done at all. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import fc from 'fast-check'
import { renderOrder } from './keeper-script.ts'

const shells = [['dash'], ['bash', '--posix'], ['busybox', 'sh']].filter(
  ([shell = '', ...words]) => spawnSync(shell, [...words, '-c', ':']).status === 0,
)

/** In place of the keeper: writes down what it was given. */
const probe = `
daruma_prepare() {
  daruma_environment
  printf '%s\\\\0' "$@" >"$OUT/words"
  cat /proc/self/environ >"$OUT/environ"
  exit 0
}
`.replaceAll('\\\\0', '\\0')

const makeFolder = (t: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'daruma-bed-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const runOf = (environment: Readonly<Record<string, string>>, command: readonly string[]): string =>
  renderOrder(7, {
    slotDirectory: '/slot',
    epochDirectory: '/slot/5',
    joinFiles: ['/one', '/two'],
    epoch: '5',
    directory: '/',
    mounts: [{ source: 'a', target: 'b', isReadOnly: false }],
    environment,
    command,
  })

for (const [shell = '', ...flags] of shells) {
  test(`${shell}: words and variables arrive as they were, whatever characters they hold`, (t) => {
    const folder = makeFolder(t)
    const nasty = fc.stringMatching(/^['"\\$`!;&|<>(){}*?[\]#~=%\n\r\t\u0001\u0081\u0088 あé💥a-z0-9-]{0,40}$/u)
    fc.assert(
      fc.property(fc.array(nasty, { maxLength: 4 }), fc.array(nasty, { maxLength: 4 }), (words, values) => {
        const variables = Object.fromEntries(values.map((value, index) => [`VALUE_${index}`, value]))
        const environment = { PATH: process.env['PATH'] ?? '', OUT: folder, ...variables }
        const { status, stderr } = spawnSync(shell, [...flags, '-s'], {
          input: probe + runOf(environment, words),
          encoding: 'utf8',
          env: {},
        })
        assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
        const told = readFileSync(join(folder, 'words'), 'utf8').split('\0').slice(0, -1)
        assert.deepEqual(told, ['7', '/slot', '/slot/5', '/one\n/two', '5', '/', '1', 'a', 'b', ...words])
        const arrived = readFileSync(join(folder, 'environ'), 'utf8').split('\0')
        for (const [name, value] of Object.entries(environment)) assert.ok(arrived.includes(`${name}=${value}`), name)
      }),
      { numRuns: 25 },
    )
  })

  test(`${shell}: a message that arrives torn is not carried out, wherever it is torn`, (t) => {
    const folder = makeFolder(t)
    const text = runOf({ OUT: folder }, ["it's", ''])
    const whole = text.lastIndexOf('}')
    for (const length of [...Array.from({ length: 40 }, (_, index) => Math.floor((whole * index) / 40)), whole - 1, whole])
      spawnSync(shell, [...flags, '-s'], { input: probe + text.slice(0, length), env: {} })
    assert.equal(existsSync(join(folder, 'words')), false)
  })
}
