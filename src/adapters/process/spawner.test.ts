/** Orders as the shells of this machine carry them out: every word arrives as it was, in a session of its own, or not at all. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import fc from 'fast-check'
import { closeInheritedDescriptors } from '../../host/inherited-descriptors.ts'
import { isRunning, kill, until } from '../../../test/support/runtime-bed.ts'
import type { Launch } from './launch.ts'
import { Spawner, renderOrder } from './spawner.ts'

const setsid = '/usr/bin/setsid'
const shells = [['dash'], ['bash', '--posix'], ['busybox', 'sh']].filter(
  ([shell = '', ...words]) => spawnSync(shell, [...words, '-c', ':']).status === 0,
)

/** In place of the keeper: writes what it was given, and what it is, then lives as long as the first word says. */
const probe = `
printf '%s\\0' "$@" >"$OUT/words.new"
cat /proc/$$/environ >"$OUT/environ"
cat /proc/$$/stat >"$OUT/stat"
grep SigIgn /proc/$$/status >"$OUT/ignored"
ls -l /proc/$$/fd >"$OUT/descriptors"
mv "$OUT/words.new" "$OUT/words"
exec sleep "$1"
`

function makeFolder(t: TestContext): { readonly folder: string; readonly script: string } {
  const folder = mkdtempSync(join(tmpdir(), 'daruma-bed-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const script = join(folder, 'probe.sh')
  writeFileSync(script, probe)
  return { folder, script }
}

/** As a keeper of each kind is begun: at once in its own session, or by a first stage that the shell itself reads. */
const kinds = [false, true] as const

const launchOf = (
  script: string,
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
  joins: boolean,
): Launch => {
  if (!joins) return { words: [script, ...words], environment, joins }
  const first = `${script}.first`
  writeFileSync(first, 'set -u; exec "$daruma_setsid" --fork /bin/sh "${daruma_keeper%.first}" "$@"\n')
  return { words: [first, ...words], environment, joins }
}

const told = (folder: string): readonly string[] => readFileSync(join(folder, 'words'), 'utf8').split('\0').slice(0, -1)

for (const [shell = '', ...flags] of shells) {
  for (const joins of kinds) {
    const name = joins ? `${shell}, itself` : shell
    test(`${name}: words and variables arrive as they were, whatever characters they hold`, async (t) => {
      const { folder, script } = makeFolder(t)
      const nasty = fc.stringMatching(/^['"\\$`!;&|<>(){}*?[\]#~=%\n\r\t\u0001\u0081\u0088 あé💥a-z0-9-]{0,40}$/u)
      await fc.assert(
        fc.asyncProperty(fc.array(nasty, { maxLength: 4 }), fc.array(nasty, { maxLength: 4 }), async (words, values) => {
          rmSync(join(folder, 'words'), { force: true })
          const variables = Object.fromEntries(values.map((value, index) => [`VALUE_${index}`, value]))
          const environment = { PATH: process.env['PATH'] ?? '', OUT: folder, ...variables }
          const order = renderOrder(setsid, launchOf(script, ['0', ...words], environment, joins))
          const { status, stdout, stderr } = spawnSync(shell, [...flags, '-s'], { input: order, encoding: 'utf8', env: {} })
          assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '\n', stderr: '' })
          await until(() => existsSync(join(folder, 'words')), 'the words')
          assert.deepEqual(told(folder), ['0', ...words])
          const arrived = readFileSync(join(folder, 'environ'), 'utf8').split('\0')
          for (const [name, value] of Object.entries(environment)) assert.ok(arrived.includes(`${name}=${value}`), name)
        }),
        { numRuns: 25 },
      )
    })

    test(`${name}: an order that arrives torn is not carried out, wherever it is torn`, async (t) => {
      const { folder, script } = makeFolder(t)
      const order = renderOrder(setsid, launchOf(script, ['0', "it's"], { OUT: folder }, joins))
      const whole = order.lastIndexOf(')')
      for (let length = 0; length <= whole; length += Math.ceil(whole / 40))
        spawnSync(shell, [...flags, '-s'], { input: order.slice(0, length), env: {} })
      const last = spawnSync(shell, [...flags, '-s'], { input: order.slice(0, whole), env: {} })
      assert.notEqual(last.status, 0)
      assert.deepEqual(
        readdirSync(folder).filter((name) => !name.startsWith('probe.sh')),
        [],
      )
    })
  }
}

for (const joins of kinds) {
  const name = joins ? 'a keeper that joins first' : 'a keeper'
  test(`${name} leads a session of its own, ignores no signal that we do not, and has nothing of ours open`, async (t) => {
    const { folder, script } = makeFolder(t)
    closeInheritedDescriptors()
    const spawner = open(t)
    await spawner.spawn(launchOf(script, ['60'], { OUT: folder, PATH: process.env['PATH'] ?? '' }, joins))
    await until(() => existsSync(join(folder, 'words')), 'the words')
    const [pid = 0, , , , group, session] = readFileSync(join(folder, 'stat'), 'utf8').split(' ').map(Number)
    t.after(() => kill(pid))
    assert.deepEqual({ group, session }, { group: pid, session: pid })
    assert.match(readFileSync(join(folder, 'ignored'), 'utf8'), /^SigIgn:\t0+\n$/)
    const links = readFileSync(join(folder, 'descriptors'), 'utf8').match(/(?<=-> ).*/g) ?? []
    assert.deepEqual(
      links.filter((link) => !['/dev/null', script, join(folder, 'descriptors')].includes(link)),
      [],
    )
    spawner.close()
    assert.equal(isRunning(pid), true, 'it outlives the shell')
  })
}

test('a variable that a shell lets nobody set arrives nevertheless', async (t) => {
  const { folder, script } = makeFolder(t)
  const environment = { OUT: folder, PATH: process.env['PATH'] ?? '', UID: '77' }
  await open(t).spawn(launchOf(script, ['0'], environment, false))
  await until(() => existsSync(join(folder, 'words')), 'the words')
  assert.match(readFileSync(join(folder, 'environ'), 'utf8'), /(^|\0)UID=77\0/)
})

test('an order to a shell that was killed or stopped is answered, and another shell takes the next', async (t) => {
  const { folder, script } = makeFolder(t)
  const troubles: string[] = []
  const spawner = open(t, (message) => troubles.push(message), 300)
  const launch = (name: string): Promise<void> =>
    spawner.spawn(launchOf(script, ['0', name], { OUT: folder, PATH: process.env['PATH'] ?? '' }, false))
  await launch('first')
  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    await until(() => existsSync(join(folder, 'words')), 'the words')
    rmSync(join(folder, 'words'))
    const [shell = 0] = childrenOfOurs()
    process.kill(shell, signal)
    await launch('perhaps')
    await until(() => !isRunning(shell), 'the shell is gone')
    rmSync(join(folder, 'words'), { force: true })
    await launch(`after ${signal}`)
    await until(() => existsSync(join(folder, 'words')), 'the words')
    assert.deepEqual(told(folder), ['0', `after ${signal}`])
  }
  assert.match(troubles.at(-1) ?? '', /silent for 300 ms/)
})

test('a keeper that stands still on its way keeps nobody else waiting', async (t) => {
  const { folder } = makeFolder(t)
  const script = join(folder, 'first.sh')
  writeFileSync(
    script,
    'read -r line </proc/self/stat; echo "${line%% *}" >"$1"; case $1 in */slow) kill -STOP "${line%% *}" ;; esac\n',
  )
  const spawner = open(t, () => {}, 60_000)
  const launch = (name: string): Promise<void> =>
    spawner.spawn({ words: [script, join(folder, name)], environment: {}, joins: true })
  const slow = launch('slow')
  await until(() => existsSync(join(folder, 'slow')), 'one stands still')
  await Promise.all(Array.from({ length: 20 }, (_, index) => launch(`quick-${index}`)))
  assert.equal(readdirSync(folder).filter((name) => name.startsWith('quick')).length, 20)
  assert.ok(childrenOfOurs().length <= 4)
  process.kill(Number(readFileSync(join(folder, 'slow'), 'utf8')), 'SIGCONT')
  await slow
})

const open = (t: TestContext, onTrouble: (message: string) => void = () => {}, silenceLimitMs?: number): Spawner => {
  const spawner = new Spawner(setsid, onTrouble, silenceLimitMs)
  t.after(() => spawner.close())
  return spawner
}

/** The shells that stand by. */
function childrenOfOurs(): number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  return children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8') === '/bin/sh\0-s\0' && isRunning(pid))
}
