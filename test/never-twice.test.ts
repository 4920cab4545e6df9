/** Never twice on one host: left-overs, reused pids, escaped children, killed and late keepers, taken locks and ports. */

import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { cgroupsOf, makeWorkshop } from './clean-up.ts'
import { fixtures, packageUnderTest, reporter, type Machine, type Services } from './daemon-harness.ts'
import { makeGatedPackage, type GatedPackage } from './keeper-gates.ts'
import { identify, isAlive, until } from './processes.ts'
import { epochsSeen, onMachine } from './scene.ts'
import { needsRoot } from './support/runtime-bed.ts'
import { slotDirectory, usualProject } from './slot-directory.ts'

const worker: Services = { worker: { ...reporter(), singleton: true, restart: { delay: false } } }

/** Somebody's process that has nothing to do with us. */
function startStranger(t: TestContext): ChildProcess & { readonly pid: number } {
  const stranger = spawn('sleep', ['600'], { stdio: 'ignore' })
  t.after(() => stranger.kill('SIGKILL'))
  if (stranger.pid === undefined) throw new Error('sleep was not started')
  return stranger as ChildProcess & { readonly pid: number }
}

test('a process that a former instance left in its cgroup is ended before the next epoch begins', { skip: needsRoot }, (t) =>
  onMachine(async ({ machine, witness }) => {
    await machine.up(worker)
    const { epoch } = await machine.instance('worker/0')
    await machine.killDaemonForGood()
    const left = spawn('sleep', ['600'], {
      env: { ...process.env, WITNESS_PORT: String(witness.port), DARUMA_SLOT: 'worker/0', DARUMA_EPOCH: String(epoch) },
      stdio: 'ignore',
    })
    t.after(() => left.kill('SIGKILL'))
    const gone = once(left, 'exit')
    writeFileSync(join(cgroupOf(machine, 'worker/0', epoch ?? 0), 'cgroup.procs'), String(left.pid))
    await machine.kill('keeper', 'worker/0')
    await machine.run(['status'])
    await gone
    await machine.waitFor('a successor', ({ instances }) =>
      instances.some((each) => each.state === 'running' && each.epoch !== epoch),
    )
  }),
)

test('a stranger that got a recorded pid is not touched: not for the instance, the daemon, the supervisor or the collector', (t) =>
  onMachine(async ({ machine }) => {
    await machine.up(worker)
    const { epoch } = await machine.instance('worker/0')
    const stranger = startStranger(t)
    await machine.killDaemonForGood()
    await machine.kill('collector')
    await machine.kill('instance')
    const files = [`projects/test/slots/worker.0/${epoch}/started`, 'host/supervisor.pid', 'host/collector.pid'].map((name) =>
      join(machine.state, name),
    )
    for (const file of files) {
      const text = readFileSync(file, 'latin1')
      // The same length: these files are overwritten in place.
      writeFileSync(
        file,
        text.replace(/^\d+/, (pid) => String(stranger.pid).padEnd(pid.length)),
      )
    }
    const record = join(machine.state, 'daemon.json')
    writeFileSync(record, readFileSync(record, 'utf8').replace(/"pid":\d+/, `"pid":${stranger.pid}`))

    await machine.run(['status'])
    await machine.waitUntilSettled()
    await machine.run(['restart', 'worker', '--yes'])
    await machine.waitUntilSettled()
    await machine.run(['down', '--yes'])
    assert.equal(stranger.exitCode ?? stranger.signalCode, null)
  }))

for (const first of ['exit', 'stay'] as const) {
  test(`a child that daemonises and closes every descriptor does not outlive an instance whose first process ${first === 'exit' ? 'ends' : 'is killed'}`, () =>
    onMachine(async ({ machine, witness }) => {
      const daemonised = { command: [join(fixtures, 'double-fork.sh'), first], singleton: true }
      await machine.up({ daemonised: { ...daemonised, restart: { policy: 'no' }, update: { minReady: '10ms' } } }).catch(() => {})
      if (first === 'stay') {
        await witness.waitFor('the grandchild', (live) => live.some(({ kind }) => kind === 'double-fork'), 10_000)
        await machine.kill('instance', 'daemonised/0')
      }
      await machine.waitFor('the end', ({ instances }) => instances.every(({ pid }) => pid === null))
      await witness.waitFor('nobody is left', (live) => live.every(({ slot }) => slot !== 'daemonised/0'), 5000)
    }))
}

test('a child that ignores every polite signal does not outlive its parent', () =>
  onMachine(async ({ machine, witness }) => {
    await machine.up({
      parent: { command: [join(fixtures, 'outliving-child.sh'), '1', '4'], singleton: true, restart: { delay: '10ms' } },
    })
    await machine.waitFor('some epochs', ({ instances }) => instances.some(({ restarts }) => restarts >= 3))
    assert.ok((await epochsSeen(witness, 'parent/0')).length >= 3)
  }))

test('when the keeper is killed its command does not live on, and the successor has a higher epoch', () =>
  onMachine(async ({ machine, witness }) => {
    await machine.up(worker)
    for (let kill = 0; kill < 3; kill += 1) {
      const before = await machine.instance('worker/0')
      const victim = identify(before.pid ?? 0)
      await machine.kill('keeper', 'worker/0')
      await witness.waitFor(
        'a successor',
        (live) => live.some(({ epoch, seenBy }) => seenBy === 'connection' && epoch > (before.epoch ?? 0)),
        10_000,
      )
      assert.equal(victim !== null && isAlive(victim), false)
      await machine.waitUntilSettled()
    }
  }))

test('a keeper that is killed while no daemon runs takes its command with it', { skip: needsRoot }, () =>
  onMachine(async ({ machine }) => {
    await machine.up(worker)
    await machine.killDaemonForGood()
    const [command] = machine.find('instance', 'worker/0')
    await machine.kill('keeper', 'worker/0')
    await until('the command is gone', 3000, () => command !== undefined && !isAlive(command))
  }),
)

for (const point of ['told', 'compared']) {
  test(`a keeper that stands at "${point}" while a newer epoch begins runs nothing when it is let go`, (t) => {
    const gated = makeGated(t)
    return onMachine(
      async ({ machine, witness }) => {
        const gate = gated.close(point)
        machine.writeConfig(worker)
        const up = machine.start(['up', '--yes'])
        const late = await gate.arrival(10_000)
        // Without its daemon nobody waits for this keeper; the next daemon knows of its epoch only by the files.
        up.child.kill('SIGKILL')
        await machine.killDaemonForGood()
        await machine.run(['status'])
        // It is found in its cgroup, waited for, and ended when it is too late.
        await machine.waitFor('a newer epoch runs', ({ instances }) =>
          instances.some(({ epoch, pid }) => pid !== null && (epoch ?? 0) > late.epoch),
        )
        gate.open()
        await until('the late keeper has left', 10_000, () => !isAlive(late.keeper))
        await machine.waitUntilSettled()
        assert.ok(!(await epochsSeen(witness, 'worker/0')).includes(late.epoch))
      },
      { launcher: gated.launcher },
    )
  })
}

test(
  'while a stranger holds the lock the slot is blocked and names its pid, and starts when the lock is free',
  { skip: needsRoot },
  (t) =>
    onMachine(async ({ machine }) => {
      await machine.up(worker)
      await machine.killDaemonForGood()
      await machine.kill('keeper', 'worker/0')
      const lock = slotDirectory(machine.state, 'worker/0')
      const holder = spawn('flock', ['--no-fork', lock, 'sleep', '600'], { stdio: 'ignore' })
      t.after(() => holder.kill('SIGKILL'))
      await until('the lock is held', 5000, () => readFileSync('/proc/locks', 'utf8').includes(` ${holder.pid} `))
      await machine.run(['status'])
      const { instances } = await machine.waitFor('blocked', (status) =>
        status.instances.some(({ state }) => state === 'blocked'),
      )
      assert.match(instances[0]?.reason ?? '', new RegExp(`\\b${holder.pid}\\b`))
      const shown = await machine.run(['status'])
      assert.match(shown.stdout, /blocked/)
      assert.match(shown.stdout, new RegExp(`\\b${holder.pid}\\b`))
      holder.kill('SIGKILL')
      await machine.waitUntilSettled()
    }),
)

test('while the port is taken nothing is started, status names the port, and the service starts when it is free', () =>
  onMachine(async ({ machine }) => {
    const squat = async (port: number): Promise<ReturnType<typeof createServer>> => {
      const server = createServer().listen(port, '127.0.0.1')
      await once(server, 'listening')
      return server
    }
    const free = (server: ReturnType<typeof createServer>): Promise<unknown> => new Promise((resolve) => server.close(resolve))
    const first = await squat(0)
    const address = first.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    await free(first)
    await machine.up({
      web: { ...reporter(), port, health: { http: '/healthz', interval: '100ms' }, update: { deadline: '30s' } },
    })
    // A plan would name it: it is taken while nothing of ours is there.
    assert.equal((await machine.run(['stop', 'web'])).code, 0)
    const squatter = await squat(port)
    const start = machine.start(['start', 'web'])
    const { instances } = await machine.waitFor('blocked', (status) => status.instances.some(({ state }) => state === 'blocked'))
    assert.match(instances[0]?.reason ?? '', new RegExp(`\\b${port}\\b`))
    assert.equal(instances[0]?.pid, null)
    await free(squatter)
    const outcome = await start.outcome
    assert.equal(outcome.code, 0, outcome.stdout + outcome.stderr)
    assert.equal((await machine.instance('web/0')).port, port)
  }))

function makeGated(t: TestContext): GatedPackage {
  const directory = makeWorkshop()
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  mkdirSync(join(directory, 'package'))
  return makeGatedPackage(packageUnderTest, join(directory, 'package'))
}

function cgroupOf(machine: Machine, slot: string, epoch: number): string {
  const { stateId } = JSON.parse(readFileSync(join(machine.state, 'identity.json'), 'utf8')) as { readonly stateId: string }
  const label = `${slot.replace('/', '.')}.${epoch}`
  const keepers = cgroupsOf(stateId).map((cgroup) => join(cgroup, usualProject, 'keepers'))
  const found = keepers
    .filter((keeper) => existsSync(keeper))
    .flatMap((keeper) => readdirSync(keeper).map((number) => join(keeper, number)))
    .find((cgroup) => existsSync(join(cgroup, label)))
  if (found === undefined) throw new Error(`no cgroup of ${slot} ${epoch}`)
  return found
}
