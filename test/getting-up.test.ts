/** Whatever falls gets up again: crashes, loops, hangs, memory, stops, reboots, a full disk, a jump of the clock, no daemon at all. */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, closeSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { test, type TestContext } from 'node:test'
import { cleanUp, makeWorkshop } from './clean-up.ts'
import { baseEnvironment, fixtures, Machine, reporter, type Services } from './daemon-harness.ts'
import { identify, isAlive, processFacts, signalProcess } from './processes.ts'
import { onMachine } from './scene.ts'
import { startWitness, violationsOf } from './witness/index.ts'
import { needsRoot } from './support/runtime-bed.ts'
import { slotDirectory } from './slot-directory.ts'

const worker: Services = { worker: { ...reporter(), singleton: true } }

/** Runs well until the file appears beside the config; then it is `what`. */
const untilFlagged = (what: string, more: object = {}): Services => ({
  fragile: { command: `[ -e flag ] && ${what}; exec sleep 1000000`, singleton: true, ...more },
})

const raiseFlag = (machine: Machine): void => writeFileSync(join(machine.workshop, 'config', 'flag'), '')
const lowerFlag = (machine: Machine): void => rmSync(join(machine.workshop, 'config', 'flag'))

test('daemon and supervisor killed together: what runs is adopted with the same pid, start time and epoch', () =>
  onMachine(async ({ machine }) => {
    await machine.up({ web: { ...reporter(), replicas: 3, health: { http: '/healthz', interval: '200ms' } } })
    const before = (await machine.waitUntilSettled()).instances.map(({ slot, pid, epoch }) => ({
      slot,
      epoch,
      process: identify(pid ?? 0),
    }))
    for (let kill = 0; kill < 3; kill += 1) {
      const [daemon] = machine.find('daemon')
      await machine.kill('supervisor')
      await machine.kill('daemon')
      // Nobody is told: the collector finds out by itself.
      await machine.waitFor('another daemon', (status) => status.daemon.pid !== daemon?.pid)
      const after = (await machine.waitUntilSettled()).instances.map(({ slot, pid, epoch }) => ({
        slot,
        epoch,
        process: identify(pid ?? 0),
      }))
      assert.deepEqual(after, before)
    }
    await machine.findOne('supervisor')
  }))

test('a daemon killed alone: the next one adopts everything as it is', () =>
  onMachine(async ({ machine }) => {
    await machine.up(worker)
    const before = await machine.instance('worker/0')
    const process = identify(before.pid ?? 0)
    const [daemon] = await machine.kill('daemon')
    await machine.waitFor('another daemon', (status) => status.daemon.pid !== daemon?.pid)
    const after = await machine.instance('worker/0')
    assert.deepEqual([after.pid, after.epoch, identify(after.pid ?? 0)], [before.pid, before.epoch, process])
  }))

test('a killed collector and a killed supervisor are back within seconds', () =>
  onMachine(async ({ machine }) => {
    await machine.up(worker)
    const [daemon] = machine.find('daemon')
    const before = [...(await machine.kill('collector')), ...(await machine.kill('supervisor'))]
    await machine.waitFor(
      'both are back',
      () => machine.find('collector').length === 1 && machine.find('supervisor').length === 1,
    )
    assert.ok(before.every((id) => !isAlive(id)))
    assert.deepEqual(machine.find('daemon'), [daemon])
  }))

test('an exit code and log lines written while no daemon ran are not lost', () =>
  onMachine(async ({ machine }) => {
    const flag = 'while [ ! -e flag ]; do sleep 0.05; done; for i in 1 2 3 4 5; do echo "line $i"; done; exit 41'
    await machine.up({ alone: { command: flag, singleton: true, restart: 'no' } })
    await machine.killDaemonForGood()
    const [command] = machine.find('instance', 'alone/0')
    raiseFlag(machine)
    await machine.waitForNobody('instance')
    await machine.run(['status'])
    const { instances } = await machine.waitFor('the end is known', (status) =>
      status.instances.some(({ lastExit }) => lastExit !== null),
    )
    assert.deepEqual(instances[0]?.lastExit, { kind: 'code', code: 41 })
    assert.ok((await machine.events()).some(({ kind, message }) => kind === 'exited' && message.includes('exit code 41')))
    const logs = await machine.run(['logs', 'alone'])
    for (const line of [1, 2, 3, 4, 5]) assert.match(logs.stdout, new RegExp(`line ${line}\\b`))
    assert.equal(command !== undefined && isAlive(command), false)
  }))

test('a crash loop is visible as such, with its reason, and ends by itself when the cause has gone', () =>
  onMachine(async ({ machine }) => {
    await machine.up(untilFlagged('{ echo no luck; exit 9; }', { restart: { delay: '10ms', maxDelay: '500ms', budget: 3 } }))
    raiseFlag(machine)
    await machine.kill('instance')
    const { instances } = await machine.waitFor('crash-looping', (status) =>
      status.instances.some(({ state }) => state === 'crash-looping'),
    )
    assert.match(instances[0]?.reason ?? '', /exit code 9/)
    const shown = await machine.run(['status'])
    assert.match(shown.stdout, /crash-looping/)
    assert.match(shown.stdout, /exit code 9/)
    assert.ok((await machine.events()).some(({ kind }) => kind === 'crash-looping'))
    lowerFlag(machine)
    await machine.waitUntilSettled()
  }))

test(
  'an instance that outgrows its memory is ended by the kernel, told as out of memory, and started again',
  { skip: needsRoot },
  () =>
    onMachine(async ({ machine }) => {
      await machine.up(untilFlagged(`exec ${join(fixtures, 'memory-hog.sh')}`, { memory: '32MiB', restart: { delay: '10ms' } }))
      raiseFlag(machine)
      await machine.kill('instance')
      await machine.waitFor('out of memory', (status) => status.instances.some(({ lastExit }) => lastExit?.kind === 'oom'))
      lowerFlag(machine)
      await machine.waitUntilSettled()
    }),
)

test('an instance that hangs is found by its liveness probe, ended, and replaced under a new epoch', () =>
  onMachine(async ({ machine, witness }) => {
    const health = { liveness: { http: '/healthz', interval: '200ms', timeout: '300ms', retries: 2 } }
    await machine.up({ web: { ...reporter(), singleton: true, health, stop: { gracePeriod: '300ms' } } })
    const { port, epoch } = await machine.instance('web/0')
    await fetch(`http://127.0.0.1:${port}/mode/hang`, { signal: AbortSignal.timeout(1000) }).catch(() => {})
    await witness.waitFor(
      'a successor',
      (live) => live.some((copy) => copy.seenBy === 'connection' && copy.epoch > (epoch ?? 0)),
      20_000,
    )
    const unhealthy = (await machine.events()).find(({ kind }) => kind === 'unhealthy')
    assert.match(unhealthy?.cause ?? '', /liveness failed 2 times/)
  }))

test('a stopped instance is replaced when its liveness says so, and left alone when nothing asks', () =>
  onMachine(async ({ machine, witness }) => {
    const health = { liveness: { http: '/healthz', interval: '200ms', timeout: '300ms', retries: 2 } }
    await machine.up({ probed: { ...reporter(), health, stop: { gracePeriod: '300ms' } }, silent: reporter() })
    const [probed, silent] = [await machine.instance('probed/0'), await machine.instance('silent/0')]
    await machine.kill('instance', undefined, 'SIGSTOP')
    await witness.waitFor(
      'a successor',
      (live) => live.some(({ slot, epoch }) => slot === 'probed/0' && epoch > (probed.epoch ?? 0)),
      20_000,
    )
    assert.equal(processFacts(silent.pid ?? 0)?.state, 'T')
    assert.equal((await machine.instance('silent/0')).epoch, silent.epoch)
    const stopped = identify(silent.pid ?? 0)
    if (stopped !== null) signalProcess(stopped, 'SIGCONT')
  }))

test('a daemon that stood still goes on as if nothing had been, and meanwhile every instance ran on', () =>
  onMachine(async ({ machine }) => {
    await machine.up({ web: { ...reporter(), replicas: 2, health: { http: '/healthz', interval: '100ms' } } })
    const before = await machine.waitUntilSettled()
    await machine.kill('daemon', undefined, 'SIGSTOP')
    await sleep(3000)
    await machine.kill('daemon', undefined, 'SIGCONT')
    const after = await machine.waitUntilSettled()
    assert.deepEqual(
      after.instances.map(({ slot, pid, epoch }) => ({ slot, pid, epoch })),
      before.instances.map(({ slot, pid, epoch }) => ({ slot, pid, epoch })),
    )
    assert.equal(after.daemon.pid, before.daemon.pid)
  }))

test(
  'after a reboot everything desired is started again above every epoch, and a stranger with an old pid is not touched',
  { skip: needsRoot },
  (t) =>
    onMachine(async ({ machine }) => {
      await machine.up({ ...worker, once: { command: 'echo done >>once.txt', job: true } })
      const before = await machine.instance('worker/0')
      await machine.killDaemonForGood()
      await machine.kill('keeper')
      const stranger = spawn('sleep', ['600'], { stdio: 'ignore' })
      t.after(() => stranger.kill('SIGKILL'))
      const started = join(slotDirectory(machine.state, 'worker/0'), `${before.epoch}/started`)
      // As after a real boot: the number is in use again, by somebody who even began at the same tick.
      const ticks = processFacts(stranger.pid ?? 0)?.startTicks
      const text = readFileSync(started, 'latin1')
      const fields = text.slice(0, text.indexOf('\n')).split(' ')
      fields[0] = String(stranger.pid)
      fields[21] = String(ticks)
      writeFileSync(started, `${fields.join(' ')}\n`.padEnd(text.length))

      const bootId = join(machine.workshop, 'boot_id')
      writeFileSync(bootId, '11111111-2222-4333-8444-555555555555\n')
      const mounts = `mount --bind ${bootId} /proc/sys/kernel/random/boot_id && exec "$0" "$@"`
      const booted = spawn('unshare', ['--mount', 'sh', '-c', mounts, machine.launcher, 'status', '--state', machine.state], {
        env: baseEnvironment(),
        stdio: 'inherit',
      })
      await once(booted, 'exit')
      const after = (await machine.waitUntilSettled()).instances.find(({ slot }) => slot === 'worker/0')
      assert.ok((after?.epoch ?? 0) > (before.epoch ?? 0))
      assert.ok((await machine.events()).some(({ kind }) => kind === 'host-rebooted'))
      assert.equal(stranger.exitCode ?? stranger.signalCode, null)
      // A job that had ended is not run again by a boot.
      assert.equal(readFileSync(join(machine.workshop, 'config', 'once.txt'), 'utf8'), 'done\n')
    }),
)

test(
  'with a full disk the daemon says so and runs on, recovers when space returns, and its database is whole',
  { skip: needsRoot },
  async (t) => {
    const { state } = mountSmallDisk(t)
    await using witness = await startWitness()
    await using machine = new Machine({ state, witness })
    try {
      await machine.up({ web: { ...reporter(), replicas: 2, restart: { delay: '10ms' } } })
      const before = await machine.waitUntilSettled()
      const hog = join(state, 'hog')
      fill(hog)
      await machine.kill('instance', 'web/0')
      const full = await machine.waitFor('a clear state', (status) =>
        /space|full|ENOSPC/i.test(JSON.stringify([status.daemon.condition, status.instances.map(({ reason }) => reason)])),
      )
      const other = full.instances.find(({ slot }) => slot === 'web/1')
      assert.equal(other?.pid, before.instances.find(({ slot }) => slot === 'web/1')?.pid)
      assert.match((await machine.run(['status'])).stdout, /space|full/i)
      rmSync(hog)
      await machine.waitUntilSettled()
      await machine.waitFor('there is space', ({ daemon }) => daemon.condition === null)
      const up = await machine.up({ web: { ...reporter(), replicas: 3, restart: { delay: '10ms' } } })
      assert.match(up.stdout, /revision 2/)
      await machine.killDaemonForGood()
      using database = new DatabaseSync(join(state, 'state.db'))
      assert.deepEqual({ ...database.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
      assert.deepEqual(await violationsOf(witness), [])
    } catch (error) {
      console.error(await machine.report())
      throw error
    }
  },
)

test('a jump of the time of day restarts nothing and delays nothing', async (t) => {
  const workshop = makeWorkshop()
  t.after(() => cleanUp(workshop, workshop))
  const jump = join(workshop, 'jump')
  writeFileSync(jump, '0')
  const environment = { NODE_OPTIONS: `--import=${pathToFileURL(join(fixtures, 'clock-jump.mjs')).href}`, CLOCK_JUMP: jump }
  await onMachine(
    async ({ machine }) => {
      const health = { http: '/healthz', interval: '100ms' }
      await machine.up({ web: { ...reporter(), replicas: 2, health, restart: { delay: '100ms', maxDelay: '200ms' } } })
      const before = (await machine.waitUntilSettled()).instances.map(({ slot, pid, epoch }) => ({ slot, pid, epoch }))
      for (const days of [400, -4000]) {
        writeFileSync(jump, String(days * 86_400_000))
        const year = new Date(Date.now() + days * 86_400_000).getUTCFullYear()
        await machine.waitFor('it has jumped', ({ instances }) =>
          instances.every(({ provenAt }) => provenAt?.startsWith(String(year)) === true),
        )
        await sleep(1000)
        const after = (await machine.waitUntilSettled()).instances.map(({ slot, pid, epoch }) => ({ slot, pid, epoch }))
        assert.deepEqual(after, before)
      }
      const { epoch } = await machine.instance('web/0')
      await machine.kill('instance', 'web/0')
      await machine.waitFor(
        'a successor',
        ({ instances }) => instances.some((each) => each.slot === 'web/0' && (each.epoch ?? 0) > (epoch ?? 0)),
        3000,
      )
      await machine.waitUntilSettled()
    },
    { environment },
  )
})

/** A file system of 16 MB for a state directory. */
function mountSmallDisk(t: TestContext): { readonly state: string } {
  const workshop = makeWorkshop()
  const state = join(workshop, 'state')
  mkdirSync(state)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m,mode=700', 'tmpfs', state], { encoding: 'utf8' })
  if (mounted.status !== 0) throw new Error(`tmpfs: ${mounted.stderr}`)
  t.after(() => cleanUp(workshop, state))
  return { state }
}

/** To the last byte. */
function fill(file: string): void {
  const descriptor = openSync(file, 'w')
  try {
    for (let bytes = 1 << 20; bytes >= 1;) {
      try {
        writeSync(descriptor, Buffer.alloc(bytes))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        bytes = Math.floor(bytes / 2)
      }
    }
  } finally {
    closeSync(descriptor)
  }
}
