/** Schedules on a real machine: each tick at most once, whatever happens to the daemon, the clock and the database; deploys cut nothing. */

import assert from 'node:assert/strict'
import { copyFileSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import type { RunsAnswer } from '../src/protocol/api.ts'
import { startCheckpointDriver } from './checkpoint-driver.ts'
import { cleanUp, makeWorkshop } from './clean-up.ts'
import { fixtures, type Machine } from './daemon-harness.ts'
import { until } from './processes.ts'
import { onMachine } from './scene.ts'
import { assertTicksOnce, begunRuns, waitForRuns, witnessedSchedule } from './schedules.ts'
import { askDaemon } from './socket.ts'

const runsOf = (machine: Machine, name: string = 'tick'): Promise<RunsAnswer> =>
  until('the daemon tells of runs', 10_000, () => askDaemon<RunsAnswer>(machine.state, `/v1/jobs/${name}/runs`))

const checkpoints = [
  'cron.decided',
  'cron.recorded',
  'cron.acted',
  'cron.watermark-written',
  'cron.slots-forgotten',
  'runtime.directory-made',
  'runtime.note-written',
  'runtime.cgroups-made',
  'runtime.epoch-committed',
  'runtime.keeper-spawned',
] as const

test('a daemon killed at any point of a run never begins a tick twice, and the next one goes on', async (t) => {
  const workshop = makeWorkshop()
  t.after(() => cleanUp(workshop, workshop))
  await using driver = await startCheckpointDriver(join(workshop, 'driver.sock'))
  await onMachine(
    async ({ machine }) => {
      await machine.up({ tick: witnessedSchedule(machine, { rest: 'sleep 0.1', schedule: { keep: 2 } }) })
      await waitForRuns(machine, 3)
      for (const point of checkpoints) {
        const held = await driver.holdAt((name) => name === point, 20_000)
        await machine.kill('daemon')
        held.go()
        await waitForRuns(machine, begunRuns(machine).length + 2)
        assertTicksOnce(machine)
      }
      // Bounded: what is kept, what is under way, and what the next look forgets.
      await until('the ledger is short', 20_000, async () => (await runsOf(machine)).runs.length <= 4)
    },
    { environment: { DARUMA_CHECKPOINTS: driver.path } },
  )
})

test('a daemon that was stopped over several ticks starts none twice, and says which it missed', () =>
  onMachine(async ({ machine }) => {
    await machine.up({ tick: witnessedSchedule(machine) })
    await waitForRuns(machine, 2)
    await machine.kill('daemon', undefined, 'SIGSTOP')
    await sleep(6000)
    const before = begunRuns(machine).length
    await machine.kill('daemon', undefined, 'SIGCONT')
    await waitForRuns(machine, before + 3)
    assertTicksOnce(machine)
    const { skips } = await runsOf(machine)
    assert.ok(
      skips.some(({ because }) => because.includes('in time')),
      JSON.stringify(skips),
    )
  }))

test('a restored database repeats no tick, not even one whose slot was forgotten', () =>
  onMachine(async ({ machine }) => {
    await machine.up({ tick: witnessedSchedule(machine, { schedule: { keep: 1 } }) })
    await waitForRuns(machine, 2)
    await machine.killDaemonForGood()
    const files = ['state.db', 'state.db-wal']
    for (const name of files)
      if (existsSync(join(machine.state, name))) copyFileSync(join(machine.state, name), join(machine.workshop, name))
    await machine.run(['status'])
    await waitForRuns(machine, begunRuns(machine).length + 4)
    await machine.killDaemonForGood()
    for (const name of [...files, 'state.db-shm']) rmSync(join(machine.state, name), { force: true })
    for (const name of files)
      if (existsSync(join(machine.workshop, name))) copyFileSync(join(machine.workshop, name), join(machine.state, name))
    const restored = begunRuns(machine).length
    await machine.run(['status'])
    await waitForRuns(machine, restored + 3)
    assertTicksOnce(machine)
  }))

test('a clock that is set back repeats nothing; years ahead and back again, it is silent for no longer than it was set back', async (t) => {
  const workshop = makeWorkshop()
  t.after(() => cleanUp(workshop, workshop))
  const jump = join(workshop, 'jump')
  writeFileSync(jump, '0')
  const environment = { NODE_OPTIONS: `--import=${pathToFileURL(join(fixtures, 'clock-jump.mjs')).href}`, CLOCK_JUMP: jump }
  await onMachine(
    async ({ machine }) => {
      await machine.up({ tick: witnessedSchedule(machine, { schedule: { keep: 2 } }) })
      await waitForRuns(machine, 3)
      for (const stepMs of [-6000, 0, 10 * 365 * 86_400_000, 4000]) {
        const before = begunRuns(machine).length
        writeFileSync(jump, String(stepMs))
        await waitForRuns(machine, before + 3)
        assertTicksOnce(machine)
      }
      const told = (await machine.events()).filter(({ kind }) => kind === 'clock-stepped').map(({ message }) => message)
      assert.ok(
        told.some((message) => message.includes('went ahead')) && told.some((message) => message.includes('went back')),
        told.join('; '),
      )
    },
    { environment },
  )
})

test('a deploy cuts no run; the next one has the new config; down and stop end it politely', () =>
  onMachine(async ({ machine }) => {
    const never = { cron: '0 0 1 1 *', timezone: 'UTC' }
    const slow = (word: string): object => ({
      tick: witnessedSchedule(machine, {
        rest: `trap 'echo ${word} asked; exit 7' TERM; while :; do sleep 0.1; done`,
        schedule: never,
      }),
    })
    await machine.up(slow('first') as never)
    const first = JSON.parse((await machine.run(['job', 'run', 'tick', '--json'])).stdout) as { slot: string; tick: string }
    await waitForRuns(machine, 1)
    const [keeper] = machine.find('instance', first.slot)
    await machine.up(slow('second') as never)
    assert.deepEqual(machine.find('instance', first.slot)[0], keeper, 'the deploy has touched the run')
    const refused = await machine.run(['job', 'run', 'tick'])
    assert.match(refused.stderr, /E_RUN_UNDER_WAY/)
    assert.equal((await machine.run(['stop', 'tick'])).code, 0)
    assert.equal(machine.find('instance', first.slot).length, 0, 'stop has waited for it')
    assert.match(machine.log(first.slot), /first asked/)
    assert.match((await machine.run(['job', 'run', 'tick'])).stderr, /E_JOB_STOPPED/)
    assert.equal((await machine.run(['start', 'tick'])).code, 0)
    const second = JSON.parse((await machine.run(['job', 'run', 'tick', '--json'])).stdout) as { slot: string }
    await waitForRuns(machine, 2)
    assert.equal((await machine.run(['down', '--yes'])).code, 0)
    assert.equal(machine.find('instance', second.slot).length, 0, 'down has waited for it')
    assert.match(machine.log(second.slot), /second asked/)
    assert.deepEqual(
      begunRuns(machine).map(({ revision }) => revision),
      [1, 2],
    )
  }))

test('a run by hand: its exit code, its retries with epochs that grow, its time-out; a run that ends without a daemon is settled', () =>
  onMachine(async ({ machine }) => {
    const never = { cron: '0 0 1 1 *', timezone: 'UTC' }
    await machine.up({
      tick: witnessedSchedule(machine, { rest: 'exit 3', schedule: { ...never, retries: 2 } }),
      stuck: { command: 'exec sleep 1000', schedule: { ...never, timeout: '1s' } },
      unseen: { command: 'while [ ! -e flag ]; do sleep 0.05; done; exit 9', schedule: never },
    })
    const failed = await machine.run(['job', 'run', 'tick', '--wait'])
    assert.equal(failed.code, 3, failed.stderr)
    const epochs = begunRuns(machine).map(({ epoch }) => epoch)
    assert.equal(new Set(begunRuns(machine).map(({ slot }) => slot)).size, 1)
    assert.equal(epochs.length, 3)
    assert.deepEqual(
      epochs,
      epochs.toSorted((a, b) => a - b),
    )
    assert.equal(new Set(epochs).size, 3)
    const stuck = await machine.run(['job', 'run', 'stuck', '--wait'])
    assert.match(stuck.stdout, /timed-out/)
    assert.equal(stuck.code, 143)
    const { stdout } = await machine.run(['job', 'run', 'unseen', '--json'])
    const { slot } = JSON.parse(stdout) as { slot: string }
    await machine.findOne('instance', slot)
    await machine.killDaemonForGood()
    writeFileSync(join(machine.workshop, 'config', 'flag'), '')
    await machine.waitForNobody('instance', slot)
    await machine.run(['status'])
    await until('its end is in the ledger', 15_000, async () => {
      const [run] = (await runsOf(machine, 'unseen')).runs
      return run?.state === 'failed' && run.exit?.kind === 'code' && run.exit.code === 9
    })
  }))
