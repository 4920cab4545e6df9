/** Releases with a real daemon and real programs: code that comes, goes back, is built, and is cut off in the middle of it. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { OperationAnswer, RevisionSummary, RevisionView } from '../src/protocol/api.ts'
import { Machine } from './daemon-harness.ts'
import { isAlive, until } from './processes.ts'
import { askDaemon } from './socket.ts'

const isRoot = process.geteuid?.() === 0

/** Writes files into the folder of the config. */
function write(machine: Machine, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(machine.config, '..', name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, content)
  }
}

const node = process.execPath
/** Says its text until it is ended; a text that is `broken` ends it at once. */
const talker = `import { text } from './lib/text.mjs'
if (text === 'broken') process.exit(3)
console.log(text)
setInterval(() => {}, 1000)
`
const says = (text: string): Record<string, string> => ({ 'app/lib/text.mjs': `export const text = '${text}'\n` })
const service = { source: './app', command: [node, 'main.mjs'] }
const quick = { deadline: '20s', minReady: '200ms' }

/** What the program has said, in order, whichever slot it was in; the shell's own words apart. */
async function saidBy(machine: Machine): Promise<readonly string[]> {
  const { stdout } = await machine.run(['logs', 'web', '--json'])
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { readonly line?: string }).line ?? '')
    .filter((line) => ['one', 'two', 'built'].includes(line))
}

const treesOf = (machine: Machine): readonly string[] => readdirSync(join(machine.state, 'releases/trees'))
const planned = async (machine: Machine, revision: number): Promise<readonly string[]> => {
  const view = await askDaemon<RevisionView>(machine.state, `/v1/revisions/${revision}`)
  return view?.plan.steps.flatMap(({ reasons }) => reasons.map(({ field, note }) => `${field}: ${note}`)) ?? []
}

describe('a change of code', () => {
  it('is rolled out, taken back when it fails, and rolled back with the code that was there', async () => {
    await using machine = new Machine()
    write(machine, { 'app/main.mjs': talker, ...says('one') })
    await machine.up({ web: { ...service, update: quick } })
    const first = await machine.instance('web/0')
    assert.match((await machine.run(['up', '--yes'])).stdout, /no changes/)

    write(machine, { ...says('two'), 'app/more.txt': 'x' })
    await machine.up()
    assert.deepEqual(await planned(machine, 2), ['source: 2 files changed: lib/text.mjs, more.txt (new)'])
    await machine.waitFor('another process runs', ({ instances }) =>
      instances.some(({ pid, state }) => state === 'running' && pid !== first.pid),
    )

    write(machine, says('broken'))
    // It ends at once, which on a busy machine takes a while: longer than it must live elsewhere.
    machine.writeConfig({ web: { ...service, update: { deadline: '60s', minReady: '20s' } } })
    const { stdout: shown } = await machine.run(['plan', '--diff'])
    assert.match(
      shown,
      /^--- lib\/text\.mjs\n\+\+\+ lib\/text\.mjs\n@@ .*\n-export const text = 'two'\n\+export const text = 'broken'$/m,
    )
    const failed = await machine.run(['up', '--yes'])
    assert.equal(failed.code, 1, failed.stdout)
    assert.match(failed.stdout, /was rolled back/)

    // What is in the folder now is broken; what comes back is what was there.
    const back = await machine.run(['rollback', '1', '--yes'])
    assert.equal(back.code, 0, `${back.stdout}${back.stderr}`)
    await machine.waitUntilSettled()
    const said = await saidBy(machine)
    assert.deepEqual(said, ['one', 'two', 'one'])
  })

  it('is none where the same files come from another folder, with other times and modes', async () => {
    await using machine = new Machine()
    write(machine, { 'app/main.mjs': talker, ...says('one') })
    await machine.up({ web: service })
    const before = await machine.instance('web/0')
    await using other = new Machine({ state: machine.state })
    cpSync(join(machine.config, '..'), join(other.config, '..'), { recursive: true })
    spawnSync('chmod', ['-R', 'go-rwx', join(other.config, '../app')])
    spawnSync('find', [join(other.config, '../app'), '-exec', 'touch', '-d', '2001-01-01', '{}', '+'])
    const { stdout, stderr, code } = await other.run(['up', '--yes', '--take-over'])
    assert.equal(code, 0, `${stdout}${stderr}`)
    assert.match(stdout, /no changes/)
    assert.equal((await machine.instance('web/0')).pid, before.pid)
  })

  it('that cannot be read is refused by name, with its place in the config', async () => {
    await using machine = new Machine()
    write(machine, { 'app/main.mjs': talker, ...says('one') })
    spawnSync('mkfifo', [join(machine.config, '../app/pipe')])
    machine.writeConfig({ web: service })
    const { code, stderr, stdout } = await machine.run(['plan'])
    assert.equal(code, 1)
    assert.match(`${stdout}${stderr}`, /services\.web\.source {2}pipe is a pipe \[E_SOURCE_KIND\]/)
  })
})

describe('a delivery', () => {
  it('goes on with the next daemon where one dies in the middle of it', async () => {
    await using machine = new Machine()
    await machine.up({ other: { command: ['sleep', '1000000'] } })
    write(machine, { 'app/main.mjs': talker, ...says('one') })
    // Large enough to be on its way for a while, each part another content.
    for (let part = 0; part < 12; part += 1)
      writeFileSync(join(machine.config, `../app/part-${part}`), Buffer.alloc(16 * 1024 * 1024, `${part} of many `))
    machine.writeConfig({ web: service, other: { command: ['sleep', '1000000'] } })
    const { outcome } = machine.start(['up', '--yes'])
    const incoming = join(machine.state, 'releases/incoming')
    await until(
      'contents are coming',
      60_000,
      () => existsSync(incoming) && readdirSync(incoming).some((name) => name.endsWith('.blob')),
      2,
    )
    await machine.kill('daemon')
    const { code, stdout, stderr } = await outcome
    assert.equal(code, 0, `${stdout}${stderr}`)
    await machine.waitUntilSettled()
    assert.deepEqual(
      readdirSync(incoming).filter((name) => name.endsWith('.blob')),
      [],
    )
    const [tree] = treesOf(machine)
    assert.equal(readdirSync(join(machine.state, 'releases/trees', tree!)).length, 14)
  })

  it('is made up for by the next `up` where somebody has removed the files, and what runs is not touched', async () => {
    await using machine = new Machine()
    write(machine, { 'app/main.mjs': talker, ...says('one') })
    await machine.up({ web: service })
    const before = await machine.instance('web/0')
    rmSync(join(machine.state, 'releases'), { recursive: true })
    assert.match((await machine.up()).stdout, /no changes/)
    assert.equal((await machine.instance('web/0')).pid, before.pid)
    await machine.kill('instance', 'web/0')
    await machine.waitFor('it is back', ({ instances }) =>
      instances.some(({ state, pid }) => state === 'running' && pid !== before.pid),
    )
    assert.deepEqual(await saidBy(machine), ['one', 'one'])
  })

  it('that finds the disk full is refused, and harms nothing that runs', { skip: isRoot ? false : 'needs root' }, async () => {
    await using machine = new Machine()
    mkdirSync(machine.state, { recursive: true })
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=160m,mode=700', 'daruma-test', machine.state])
    try {
      await using bound = new Machine({ state: machine.state })
      write(bound, { 'app/main.mjs': talker, ...says('one') })
      await bound.up({ web: service })
      const { pid } = await bound.instance('web/0')
      writeFileSync(join(bound.config, '../app/large'), Buffer.alloc(200 * 1024 * 1024, 'not zero '))
      const before = await bound.run(['up', '--yes'])
      assert.equal(before.code, 1)
      assert.match(before.stderr, /E_RELEASE_NO_SPACE/)
      // What is kept free for the database and the logs is not for it either.
      writeFileSync(join(bound.config, '../app/large'), Buffer.alloc(60 * 1024 * 1024, 'not zero '))
      const filled = spawnSync('fallocate', ['-l', '40M', join(machine.state, 'filler')])
      assert.equal(filled.status, 0, String(filled.stderr))
      const late = await bound.run(['up', '--yes'])
      assert.equal(late.code, 1)
      assert.match(late.stderr, /E_RELEASE_NO_SPACE/)
      assert.equal((await bound.instance('web/0')).pid, pid)
      rmSync(join(machine.state, 'filler'))
      rmSync(join(bound.config, '../app/large'))
      write(bound, says('two'))
      await bound.up()
    } finally {
      await machine.killDaemonForGood().catch(() => undefined)
      spawnSync('umount', ['-l', machine.state])
    }
  })
})

describe('a build', () => {
  const built = (command: string, more: object = {}): Record<string, unknown> => ({
    web: { ...service, source: { path: './app', build: { command, ...more } }, update: quick },
  })

  it('runs once for each release, in a copy, and what it leaves is what runs', async () => {
    await using machine = new Machine()
    write(machine, { 'app/main.mjs': talker, ...says('one') })
    const count = join(machine.workshop, 'count')
    const make = `echo x >>${count}; echo "export const text = 'built'" >lib/text.mjs`
    await machine.up(built(make) as never)
    assert.equal((await saidBy(machine)).at(-1), 'built')
    assert.equal(readFileSync(join(machine.config, '../app/lib/text.mjs'), 'utf8'), "export const text = 'one'\n")
    await machine.run(['restart', 'web'])
    write(machine, { 'app/new': '' })
    await machine.up()
    await machine.run(['rollback', '1', '--yes'])
    assert.equal(readFileSync(count, 'utf8'), 'x\nx\n')
  })

  it('that fails, or takes too long, fails the revision before anything is given up, with its last lines', async () => {
    await using machine = new Machine()
    write(machine, { 'app/main.mjs': talker, ...says('one') })
    await machine.up({ web: service })
    const { pid } = await machine.instance('web/0')
    machine.writeConfig(built('echo first; echo the last words; exit 7') as never)
    const failed = await machine.run(['up', '--yes'])
    assert.equal(failed.code, 1)
    assert.match(failed.stdout, /ended with exit code 7[\s\S]*the last words/)
    assert.match((await machine.run(['logs', '@build'])).stdout, /first\n.*the last words/)
    const pidFile = join(machine.workshop, 'pid')
    machine.writeConfig(built(`echo $$ >${pidFile}; sleep 1000`, { timeout: '1s' }) as never)
    const late = await machine.run(['up', '--yes'])
    assert.equal(late.code, 1)
    assert.match(late.stdout, /took longer than 1 s/)
    assert.equal((await machine.instance('web/0')).pid, pid)
    assert.equal(machine.find('instance', '@build/0').length, 0)
  })

  it('of a daemon that died is ended and runs again: never two at once', async () => {
    await using machine = new Machine()
    write(machine, { 'app/main.mjs': talker, ...says('one') })
    const [begun, go, twice] = ['begun', 'go', 'twice'].map((name) => join(machine.workshop, name))
    // A lock that a second one at the same time would find taken.
    const lock = join(machine.workshop, 'lock')
    const make = `exec 7>${lock}; flock -n 7 || touch ${twice}; echo x >>${begun}; while [ ! -e ${go} ]; do sleep 0.05; done`
    machine.writeConfig(built(make) as never)
    const { outcome } = machine.start(['up', '--yes'])
    await until('the build runs', 30_000, () => existsSync(begun!))
    const [build] = machine.find('instance', '@build/0')
    await machine.kill('daemon')
    await until('it is built again', 60_000, () => readFileSync(begun!, 'utf8') === 'x\nx\n')
    assert.ok(build === undefined || !isAlive(build), 'the first build has been ended')
    writeFileSync(go!, '')
    const { code, stdout, stderr } = await outcome
    assert.equal(code, 0, `${stdout}${stderr}`)
    assert.equal(existsSync(twice!), false)
    await machine.waitUntilSettled()
  })
})

/** To a former revision, whose content becomes another one; waits until it is applied. */
async function rollBack(machine: Machine, revision: number): Promise<void> {
  const by = { pid: process.pid, user: 'root', command: 'rollback', file: null }
  const asked = await askDaemon<OperationAnswer>(machine.state, '/v1/operations', { by, kind: 'rollback', revision })
  await until(`revision ${revision} is applied again`, 20_000, async () => {
    const status = await machine.status()
    return status?.revision === asked?.revision && status?.operation === null
  })
}

describe('collection', () => {
  it('never takes what an instance runs from, whatever became of its revision, and takes it afterwards', async () => {
    await using machine = new Machine()
    const end = join(machine.workshop, 'end')
    write(machine, { 'app/main.sh': `while [ ! -e ${end} ]; do sleep 0.1; done; cat text\n`, 'app/text': 'the first\n' })
    const schedule = '0 0 1 1 *'
    await machine.up({ report: { source: './app', command: 'sh main.sh', schedule } })
    const [first] = treesOf(machine)
    const run = (await machine.run(['job', 'run', 'report'])).stdout.trim()
    await machine.waitFor('the run is under way', ({ instances }) => instances.some(({ state }) => state === 'running'))
    for (const revision of [2, 3]) {
      writeFileSync(join(machine.config, '../app/text'), `revision ${revision}\n`)
      await machine.up()
    }
    // Fifty revisions are kept. Of these two alternately, asked for without a command line for each: what is collected is the daemon's part.
    for (let revision = 4; revision <= 53; revision += 1) await rollBack(machine, revision - 2)
    const listed = (await askDaemon<readonly RevisionSummary[]>(machine.state, '/v1/revisions')) ?? []
    assert.ok(!listed.some(({ number }) => number === 1), 'the revision itself is forgotten')
    assert.ok(treesOf(machine).includes(first!), 'it runs on, 52 revisions later')
    assert.equal(treesOf(machine).length, 3)
    writeFileSync(end, '')
    await until('the run has ended', 20_000, async () => /the first/.test((await machine.run(['logs', run])).stdout))
    for (let revision = 54; revision <= 56; revision += 1) await rollBack(machine, revision - 2)
    await until('its tree is gone', 10_000, () => !treesOf(machine).includes(first!))
    assert.equal(treesOf(machine).length, 2, 'those of the revisions that are kept')
  })
})
