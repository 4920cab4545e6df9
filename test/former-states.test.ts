/** A project that has a state directory of its own, as earlier versions made one for each, is not started a second time from the common one. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { baseEnvironment, Machine } from './daemon-harness.ts'

/** Says in its volume that it began, each time. */
const keeper = {
  command: 'echo begun >>"$DARUMA_VOLUME_DATA/starts"; exec sleep 1000000',
  singleton: true,
  volumes: ['data'],
}

function write(machine: Machine, name: string, service: object = keeper): void {
  machine.writeConfigText(`export default define(${JSON.stringify({ name, services: { worker: service } })})`)
}

async function assertRefused(machine: Machine, words: readonly string[], why: RegExp): Promise<string> {
  const { code, stderr } = await machine.run(words)
  assert.equal(code, 1)
  assert.match(stderr, why)
  assert.match(stderr, /\[E_STATE_FORMER\]/)
  return stderr
}

/** What a person would copy from the hint. */
function follow(machine: Machine, stderr: string): void {
  const commands = stderr.split('\n').filter((line) => line.startsWith('  '))
  assert.match(commands.at(-1) ?? '', /^ +daruma up$/)
  const path = `${dirname(machine.launcher)}:${process.env['PATH']}`
  for (const command of commands.slice(0, -1)) {
    const { status, stderr: words } = spawnSync('sh', ['-c', command.replace('daruma down', 'daruma down -y')], {
      cwd: machine.workshop,
      env: { ...baseEnvironment(), PATH: path },
      encoding: 'utf8',
    })
    assert.equal(status, 0, `${command}\n${words}`)
  }
}

test('what may run from a former state is started nowhere else, whatever has been killed; the commands that are named bring it over', async () => {
  await using machine = new Machine()
  mkdirSync(machine.state)
  await using former = new Machine({ state: join(machine.state, 'shop') })
  for (const each of [machine, former]) write(each, 'shop')
  await former.up()
  const starts = join(former.state, 'projects/shop/volumes/data/starts')

  await assertRefused(
    machine,
    ['plan'],
    /shop has a state directory of its own, \S+, and may run from there \(its daemon is pid \d+\)/,
  )
  await former.killDaemonForGood()
  await assertRefused(machine, ['up', '-y'], /\(there are processes in its cgroups\)|\(its keeper is pid \d+\)/)
  await former.kill('keeper')
  await former.waitForNobody('instance')
  const refusal = await assertRefused(machine, ['up', '-y'], /\(revision 1 is active, with worker\)/)
  assert.equal(readFileSync(starts, 'utf8'), 'begun\n')
  assert.equal(existsSync(join(machine.state, 'state.db')), false, 'no daemon was started for it')

  const moves = refusal.split('\n').find((line) => line.includes('mv ')) ?? ''
  follow(machine, refusal.replace(`${moves}\n`, ''))
  const onlyVolumes = await assertRefused(
    machine,
    ['up', '-y'],
    /The volumes of shop \(data\) are in the state directory that it had before/,
  )
  follow(machine, onlyVolumes)
  assert.equal(existsSync(starts), false)
  await machine.up()
  // Once by the former daemon that took it down, which had to begin what it found ended.
  assert.match(readFileSync(join(machine.state, 'projects/shop/volumes/data/starts'), 'utf8'), /^(begun\n){2,3}$/)
  assert.deepEqual([machine.find('instance').length, former.find('instance').length], [1, 0])
})

test('other projects go on beside a former state, which status and doctor name', async () => {
  await using machine = new Machine()
  mkdirSync(machine.state)
  await using former = new Machine({ state: join(machine.state, 'shop') })
  write(former, 'shop')
  await former.up()
  write(machine, 'blog')
  await machine.up()
  for (const words of [['status'], ['doctor']]) {
    const { stdout, stderr } = await machine.run(words)
    assert.match(
      `${stdout}${stderr}`,
      /shop may run from a state directory of an earlier version, \S+\/shop \(its daemon is pid \d+\)/,
    )
  }
  assert.deepEqual([machine.find('instance').length, former.find('instance').length], [1, 1])
})

test('a rollback brings back nothing that has begun in a former state meanwhile', async () => {
  await using machine = new Machine()
  write(machine, 'shop')
  await machine.up()
  assert.equal((await machine.run(['down', '-y'])).code, 0)
  await using former = new Machine({ state: join(machine.state, 'shop') })
  write(former, 'shop')
  await former.up()
  await assertRefused(machine, ['rollback', '1', '-y'], /shop has a state directory of its own/)
  assert.deepEqual([machine.find('instance').length, former.find('instance').length], [0, 1])
})

test('a config that runs from a former state under another name is known by its file', async () => {
  await using machine = new Machine()
  mkdirSync(machine.state)
  await using former = new Machine({ state: join(machine.state, 'shop') })
  write(former, 'shop')
  await former.up()
  write(former, 'renamed')
  const words = ['up', '-y', '--state', machine.state, '--file', former.config]
  const { status, stderr } = spawnSync(machine.launcher, words, { env: baseEnvironment(), encoding: 'utf8' })
  assert.equal(status, 1)
  assert.match(stderr, /shop has a state directory of its own.* \[E_STATE_FORMER\]/)
})

test('a state directory whose files would lie in a former one is not begun', async () => {
  await using machine = new Machine()
  mkdirSync(machine.state)
  await using former = new Machine({ state: join(machine.state, 'projects') })
  write(former, 'projects')
  await former.up()
  write(machine, 'blog')
  const { code, stderr } = await machine.run(['up', '-y'])
  assert.equal(code, 1)
  assert.match(stderr, /projects is a state directory of an earlier version/)
  assert.deepEqual(machine.find('instance'), [])
})

test('a schedule that has not had a tick yet counts as what may run', async () => {
  await using machine = new Machine()
  mkdirSync(machine.state)
  await using former = new Machine({ state: join(machine.state, 'shop') })
  const yearly = { command: 'true', schedule: '0 0 1 1 *' }
  for (const each of [machine, former]) write(each, 'shop', yearly)
  await former.up()
  await former.killDaemonForGood()
  await assertRefused(machine, ['up', '-y'], /\(revision 1 is active, with worker\)/)
  assert.equal((await former.run(['down', '-y'])).code, 0)
  assert.equal((await former.run(['daemon', 'stop'])).code, 0)
  await machine.up()
})

test('a former database that cannot be read is no proof that nothing may run', async () => {
  await using machine = new Machine()
  mkdirSync(join(machine.state, 'shop'), { recursive: true })
  writeFileSync(join(machine.state, 'shop/state.db'), 'no database')
  write(machine, 'shop')
  await assertRefused(machine, ['up', '-y'], /\(its database cannot be read: .+\)/)
})
