/**
 * The keeper alone, without any daemon: its three refusals, each with every other one out of the way. In the whole system they back
 * each other up, so that no test of the whole could tell whether one of them is missing.
 */

import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { makeWorkshop } from './clean-up.ts'
import { packageUnderTest } from './daemon-harness.ts'
import { makeGatedPackage } from './keeper-gates.ts'
import { until } from './processes.ts'

const padded = (epoch: number): string => `${String(epoch).padStart(16, '0')}\n`

interface Slot {
  readonly directory: string
  /** Where the command writes that it ran. */
  readonly proof: string
  start(script: string): ChildProcess
  beginning(): string
}

/** A slot as the daemon makes it for epoch 7, on a host without cgroups and namespaces. */
function makeSlot(t: TestContext): Slot & { readonly workshop: string } {
  const workshop = makeWorkshop()
  t.after(() => rmSync(workshop, { recursive: true, force: true }))
  const directory = join(workshop, 'slot')
  const home = join(directory, '7')
  mkdirSync(home, { recursive: true })
  for (const name of ['started', 'exit', 'keeper']) writeFileSync(join(home, name), ' '.repeat(1024))
  for (const name of ['keeper.err', 'ticket']) writeFileSync(join(home, name), '')
  for (const name of ['lock', 'log']) writeFileSync(join(directory, name), '')
  writeFileSync(join(directory, 'epoch'), padded(7))
  const proof = join(workshop, 'proof')
  return {
    workshop,
    directory,
    proof,
    start(script) {
      const words = [script, 'first', directory, '0000000000000007', home, '/usr/bin/flock', '', '', workshop, '/bin/mount', '0', 'touch', proof]
      const keeper = spawn('/bin/sh', words, { stdio: 'ignore' })
      t.after(() => keeper.kill('SIGKILL'))
      return keeper
    },
    beginning: () => readFileSync(join(home, 'started'), 'latin1').trim(),
  }
}

const script = join(packageUnderTest, 'dist/host/keeper.sh')

test('a keeper of the present epoch runs its command and records its end', async (t) => {
  const slot = makeSlot(t)
  await once(slot.start(script), 'exit')
  assert.equal(existsSync(slot.proof), true)
  assert.match(readFileSync(join(slot.directory, '7/exit'), 'latin1'), /^code 0\n/)
})

test('a keeper of a superseded epoch runs nothing, even with lock and ticket free', async (t) => {
  const slot = makeSlot(t)
  writeFileSync(join(slot.directory, 'epoch'), padded(8))
  await once(slot.start(script), 'exit')
  assert.equal(slot.beginning(), 'refused superseded')
  assert.equal(existsSync(slot.proof), false)
})

test('a keeper that was superseded before it had the lock runs nothing, even with lock and ticket free', async (t) => {
  const slot = makeSlot(t)
  mkdirSync(join(slot.workshop, 'package'))
  const gated = makeGatedPackage(packageUnderTest, join(slot.workshop, 'package'))
  const gate = gated.close('before-lock')
  const keeper = slot.start(join(gated.launcher, '../../dist/host/keeper.sh'))
  await until('the keeper stands before its lock', 5000, () => existsSync(join(slot.workshop, 'package/gate-before-lock.came')))
  writeFileSync(join(slot.directory, 'epoch'), padded(8))
  const gone = once(keeper, 'exit')
  await until('the keeper waits at the gate', 5000, () => {
    gate.open()
    return keeper.exitCode !== null
  })
  await gone
  assert.equal(slot.beginning(), 'refused superseded')
  assert.equal(existsSync(slot.proof), false)
})

test('a keeper that finds the lock held runs nothing, even if its epoch is the present one', async (t) => {
  const slot = makeSlot(t)
  const holder = spawn('flock', ['--no-fork', join(slot.directory, 'lock'), 'sleep', '60'], { stdio: 'ignore' })
  t.after(() => holder.kill('SIGKILL'))
  await until('the lock is held', 5000, () => readFileSync('/proc/locks', 'utf8').includes(` ${holder.pid} `))
  await once(slot.start(script), 'exit')
  assert.equal(slot.beginning(), 'refused locked')
  assert.equal(existsSync(slot.proof), false)
})

test('a keeper whose epoch was given up runs nothing, even if nobody came after it', async (t) => {
  const slot = makeSlot(t)
  rmSync(join(slot.directory, '7/ticket'))
  await once(slot.start(script), 'exit')
  assert.equal(slot.beginning(), 'refused closed')
  assert.equal(existsSync(slot.proof), false)
})
