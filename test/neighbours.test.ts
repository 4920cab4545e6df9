/**
 * Two projects in one daemon, of which one is stuck for good: its volume is full, its engine is frozen, its build hangs, its webhook never
 * answers, its thousand services are coming up. What the other one does goes through while that is so, also by a daemon that begins then.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { StatusAnswer } from '../src/protocol/api.ts'
import { Machine, type Services } from './daemon-harness.ts'
import { endContainers } from './engine/end-containers.ts'
import { LabEngine, needsEngine } from './engine/lab-engine.ts'
import { until } from './processes.ts'
import { assertTicksOnce, begunRuns, waitForRuns, witnessedSchedule } from './schedules.ts'

const needsRoot = process.geteuid?.() === 0 ? false : 'needs root'
const limitMs = 120_000

interface Neighbours extends AsyncDisposable {
  readonly healthy: Machine
  readonly stuck: Machine
}

/** The healthy one runs; the other is not there yet. */
async function neighbours(environment: Readonly<Record<string, string>> = {}): Promise<Neighbours> {
  const healthy = new Machine({ name: 'healthy', environment })
  const stuck = new Machine({ name: 'stuck', state: healthy.state, environment })
  const both: Neighbours = {
    healthy,
    stuck,
    async [Symbol.asyncDispose]() {
      await stuck[Symbol.asyncDispose]()
      await healthy[Symbol.asyncDispose]()
    },
  }
  try {
    await healthy.up(healthyServices(healthy, 0))
    return both
  } catch (error) {
    await both[Symbol.asyncDispose]()
    throw error
  }
}

/** Another `release` is another revision of all that runs. */
function healthyServices(machine: Machine, release: number, more: object = {}): Services {
  return {
    web: { command: ['sleep', '100000'], singleton: true, environment: { RELEASE: `${release}` }, ...more },
    tick: witnessedSchedule(machine),
  }
}

let releases = 0

/**
 * A respawn, `up` of a change, `status` and runs of a schedule; with the next daemon too, which begins while the other one is stuck. `isStuck`
 * throws where that one is not.
 */
async function goesOn({ healthy }: Neighbours, isStuck: () => Promise<void>, more: object = {}): Promise<void> {
  await isStuck()
  await respawnsAndTicks(healthy)
  await changes(healthy, more)
  await isStuck()
  const { daemon } = await statusOf(healthy)
  await healthy.kill('daemon')
  await healthy.waitFor('the next daemon answers', (status) => status.daemon.pid !== daemon.pid)
  await isStuck()
  await respawnsAndTicks(healthy)
  await isStuck()
  assertTicksOnce(healthy)
}

async function respawnsAndTicks(healthy: Machine): Promise<void> {
  const runs = begunRuns(healthy).length
  const [killed] = await healthy.kill('instance', 'web/0')
  await until('the killed one has a successor', limitMs, () =>
    healthy.find('instance', 'web/0').some(({ pid }) => pid !== killed?.pid),
  )
  await healthy.waitUntilSettled()
  await waitForRuns(healthy, runs + 2)
}

async function changes(healthy: Machine, more: object): Promise<void> {
  releases += 1
  await healthy.up(healthyServices(healthy, releases, more))
  const { code, stdout, stderr } = await healthy.run(['status'])
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' }, stdout)
  assert.match(stdout, /^healthy · .*\b1 of 1 ready/)
}

async function statusOf(machine: Machine): Promise<StatusAnswer> {
  return until(`the status of ${machine.name}`, limitMs, () => machine.status())
}

/** Before that, the daemon knows of no such project. */
async function untilAccepted(machine: Machine): Promise<void> {
  await until('it is accepted', limitMs, async () => (await machine.status().catch(() => null))?.operation)
}

test('a project whose volume is full fails for ever, and the one beside it goes on', { skip: needsRoot }, async () => {
  await using both = await neighbours()
  const { stuck } = both
  const volume = join(stuck.state, 'projects/stuck/volumes/data')
  mkdirSync(volume, { recursive: true })
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', volume], { encoding: 'utf8' })
  assert.equal(mounted.status, 0, mounted.stderr)
  await stuck.up({
    writer: {
      command: 'head -c 65536 /dev/zero > $DARUMA_VOLUME_DATA/new && exec sleep 100000',
      singleton: true,
      volumes: ['data'],
      restart: { delay: '50ms', maxDelay: '100ms' },
    },
  })
  spawnSync('sh', ['-c', `rm "$1"/new; cat /dev/zero >"$1"/filler`, 'sh', volume])
  await stuck.kill('instance')
  const falls = async (): Promise<void> => {
    const epoch = (): Promise<number> => stuck.instance('writer/0').then((instance) => instance.epoch ?? 0)
    const first = await epoch()
    await until('it falls again', limitMs, async () => (await epoch()) > first)
    assert.match(stuck.log('writer/0').split('\n').slice(-20).join('\n'), /No space left on device/)
  }
  await goesOn(both, falls)
})

test(
  'a project whose container engine is frozen waits for it, and the one beside it goes on',
  { skip: needsEngine },
  async () => {
    await using engine = await LabEngine.start()
    const both = await neighbours(engine.environment)
    const { healthy, stuck } = both
    try {
      const box = { image: 'bb:1', command: ['sleep', '100000'], singleton: true, port: false }
      // Its rollout is under way for good.
      stuck.writeConfig({ box: { ...box, health: { readiness: { exec: ['false'] } }, update: { deadline: '1d' } } })
      const up = stuck.start(['up', '--yes'])
      await untilAccepted(stuck)
      await stuck.waitFor('its container runs', ({ instances }) => (instances[0]?.pid ?? null) !== null)
      engine.signal('SIGSTOP')
      const isFrozen = async (): Promise<void> => {
        await stuck.waitFor('its engine does not answer', ({ daemon }) => daemon.condition !== null)
        assert.equal((await statusOf(stuck)).operation?.state, 'running')
      }
      await goesOn(both, isFrozen)
      await changes(healthy, {})
      await isFrozen()
      engine.signal('SIGCONT')
      await stuck.waitFor('its engine answers again', ({ daemon }) => daemon.condition === null)
      up.child.kill('SIGKILL')
      await up.outcome
    } finally {
      engine.signal('SIGCONT')
      await until('the engine answers', limitMs, () => engine.ping()).catch(() => undefined)
      await endContainers(engine, stuck)
      await healthy[Symbol.asyncDispose]()
    }
  },
)

test('a daemon that begins waits for a silent container engine once, however many projects there are', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'daruma-silent-'))
  try {
    await using silent = await SilentServer.listen(join(folder, 'docker.sock'))
    await using both = await neighbours({ DOCKER_HOST: `unix://${join(folder, 'docker.sock')}` })
    const { healthy, stuck } = both
    await stuck.up({ web: { command: ['sleep', '100000'] } })
    assert.equal(silent.most, 1, 'each has asked as it came')
    await until('the next daemon asks for both at once', limitMs, async () => {
      const { daemon } = await statusOf(healthy)
      await healthy.kill('daemon')
      await healthy.waitFor('the next daemon answers', (status) => status.daemon.pid !== daemon.pid)
      return silent.most > 1
    })
    await healthy.waitUntilSettled()
    await stuck.waitUntilSettled()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a project whose build hangs has no new release, and the one beside it builds and goes on', async () => {
  await using both = await neighbours()
  const { healthy, stuck } = both
  const release = (machine: Machine, command: string): object => {
    const path = join(machine.workshop, 'app')
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'main.sh'), '[ -e made ] && exec sleep 100000\n')
    return { source: { path, build: { command } }, command: ['/bin/sh', 'main.sh'] }
  }
  const begun = join(stuck.workshop, 'begun')
  const hangs = release(stuck, `echo x >>${begun}; sleep 100000; touch made`)
  stuck.writeConfig({ web: { ...hangs, singleton: true } })
  const up = stuck.start(['up', '--yes'])
  let isOver = false
  void up.outcome.then(() => (isOver = true))
  await until('the build runs', limitMs, () => existsSync(begun))
  const builds = async (): Promise<void> => {
    assert.equal(isOver, false)
    assert.equal((await statusOf(stuck)).operation?.state, 'running')
  }
  await builds()
  await goesOn(both, builds, release(healthy, 'touch made'))
  up.child.kill('SIGKILL')
  await up.outcome
  assert.equal(readFileSync(begun, 'utf8'), 'x\n'.repeat(2), 'once by each daemon')
})

test('a project whose webhook never answers waits for it, and the one beside it goes on and is heard', async () => {
  await using silent = await SilentServer.listen()
  await using both = await neighbours()
  const { healthy, stuck } = both
  const fall = join(stuck.workshop, 'fall')
  const command = `while [ ! -e ${fall} ]; do sleep 0.1; done; exit 3`
  const services = { web: { command, restart: { delay: '50ms', maxDelay: '200ms' } } }
  stuck.writeConfigText(
    `export default define(${JSON.stringify({ name: 'stuck', notify: { webhook: silent.url, timeout: '1m' }, services })})`,
  )
  await stuck.up()
  writeFileSync(fall, '')
  await goesOn(both, async () => {
    await until('the webhook waits for an answer', limitMs, () => silent.waiting > 0)
  })
  const heard = join(healthy.workshop, 'heard')
  healthy.writeConfigText(
    `export default define(${JSON.stringify({ name: 'healthy', notify: { command: `cat >>${heard}` }, services: healthyServices(healthy, releases) })})`,
  )
  await healthy.up()
  const told = await healthy.run(['notify', 'test'])
  assert.equal(told.code, 0, told.stderr)
  assert.ok(existsSync(heard))
  assert.ok(silent.waiting > 0)
})

test('a project of a thousand services is planned, and a hundred of them come up, and the one beside it goes on', async () => {
  await using both = await neighbours()
  const { stuck } = both
  // One that never gets ready, and most wait for it: the rollout is under way for good.
  const never = { command: ['sleep', '100000'], health: { readiness: { exec: ['false'] } }, update: { deadline: '1d' } }
  const sleeper = (index: number): Services[string] => ({
    command: ['sleep', '100000'],
    singleton: true,
    ...(index < 100 ? {} : { after: ['never'] }),
  })
  const services = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`service-${index}`, sleeper(index)]))
  stuck.writeConfig({ ...services, never })
  const up = stuck.start(['up', '--yes'])
  let isOver = false
  void up.outcome.then(() => (isOver = true))
  await untilAccepted(stuck)
  const planned = stuck.run(['plan'], { limitMs })
  await goesOn(both, async () => {
    assert.equal(isOver, false)
    assert.equal((await statusOf(stuck)).operation?.state, 'running')
  })
  assert.equal((await planned).code, 0)
  up.child.kill('SIGKILL')
  await up.outcome
})

/** Takes every connection and never says a word. */
class SilentServer implements AsyncDisposable {
  readonly #sockets = new Set<Socket>()
  /** How many have waited at the same time. */
  most = 0
  readonly #server = createServer((socket) => {
    this.#sockets.add(socket)
    this.most = Math.max(this.most, this.waiting)
    socket.resume()
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
  })

  /** On loopback, or at the path of a socket. */
  static async listen(path: string | null = null): Promise<SilentServer> {
    const silent = new SilentServer()
    if (path === null) silent.#server.listen(0, '127.0.0.1')
    else silent.#server.listen(path)
    await once(silent.#server, 'listening')
    return silent
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`
  }

  get waiting(): number {
    return this.#sockets.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}
