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

const told = (folder: string): readonly string[] => readFileSync(join(folder, 'words'), 'utf8').split('\0').slice(0, -1)

for (const [shell = '', ...flags] of shells) {
  test(`${shell}: words and variables arrive as they were, whatever characters they hold`, async (t) => {
    const { folder, script } = makeFolder(t)
    const nasty = fc.stringMatching(/^['"\\$`!;&|<>(){}*?[\]#~=%\n\r\t\u0001\u0081\u0088 あé💥a-z0-9-]{0,40}$/u)
    await fc.assert(
      fc.asyncProperty(fc.array(nasty, { maxLength: 4 }), fc.array(nasty, { maxLength: 4 }), async (words, values) => {
        rmSync(join(folder, 'words'), { force: true })
        const variables = Object.fromEntries(values.map((value, index) => [`VALUE_${index}`, value]))
        const environment = { PATH: process.env['PATH'] ?? '', OUT: folder, ...variables }
        const order = renderOrder(setsid, { words: [script, '0', ...words], environment })
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

  test(`${shell}: an order that arrives torn is not carried out, wherever it is torn`, async (t) => {
    const { folder, script } = makeFolder(t)
    const order = renderOrder(setsid, { words: [script, '0', "it's"], environment: { OUT: folder } })
    const whole = order.lastIndexOf(')')
    for (let length = 0; length <= whole; length += Math.ceil(whole / 40))
      spawnSync(shell, [...flags, '-s'], { input: order.slice(0, length), env: {} })
    const last = spawnSync(shell, [...flags, '-s'], { input: order.slice(0, whole), env: {} })
    assert.notEqual(last.status, 0)
    assert.deepEqual(readdirSync(folder), ['probe.sh'])
  })
}

test('a keeper leads a session of its own, ignores no signal that we do not, and has nothing of ours open', async (t) => {
  const { folder, script } = makeFolder(t)
  closeInheritedDescriptors()
  const spawner = open(t)
  await spawner.spawn({ words: [script, '60'], environment: { OUT: folder, PATH: process.env['PATH'] ?? '' } })
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

test('a variable that a shell lets nobody set arrives nevertheless', async (t) => {
  const { folder, script } = makeFolder(t)
  const environment = { OUT: folder, PATH: process.env['PATH'] ?? '', UID: '77' }
  await open(t).spawn({ words: [script, '0'], environment })
  await until(() => existsSync(join(folder, 'words')), 'the words')
  assert.match(readFileSync(join(folder, 'environ'), 'utf8'), /(^|\0)UID=77\0/)
})

test('an order to a shell that was killed or stopped is answered, and another shell takes the next', async (t) => {
  const { folder, script } = makeFolder(t)
  const troubles: string[] = []
  const spawner = open(t, (message) => troubles.push(message), 300)
  const launch = (name: string): Promise<void> =>
    spawner.spawn({ words: [script, '0', name], environment: { OUT: folder, PATH: process.env['PATH'] ?? '' } })
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
