import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startCheckpointDriver } from './checkpoint-driver.ts'
import { Machine, reporter } from './daemon-harness.ts'
import { endContainers } from './engine/end-containers.ts'
import { FakeRegistry } from './engine/fake-registry.ts'
import { busyboxRoot, LabEngine, needsEngine } from './engine/lab-engine.ts'
import { environmentOf, until } from './processes.ts'
import { startWitness } from './witness/index.ts'
import { projectDirectory } from './slot-directory.ts'

const sleeper = { image: 'bb:1', command: ['sleep', '100000'], singleton: true, port: false }

describe('containers through the whole of it', { skip: needsEngine }, () => {
  let engine!: LabEngine
  before(async () => {
    engine = await LabEngine.start()
  })
  after(async () => {
    await engine?.[Symbol.asyncDispose]()
  })

  const open = (more: Readonly<Record<string, string>> = {}): Machine =>
    new Machine({ environment: { ...engine.environment, ...more } })

  async function withMachine(machine: Machine, use: (machine: Machine) => Promise<void>): Promise<void> {
    try {
      await use(machine)
    } finally {
      await endContainers(engine, machine)
    }
  }

  test('an image that cannot be had fails the operation at once, and nothing of the old revision was touched', () =>
    withMachine(open(), async (machine) => {
      await machine.up({ one: sleeper })
      const before = await machine.instance('one/0')
      await using registry = await FakeRegistry.start()
      machine.writeConfig({ one: { ...sleeper, image: `${registry.host}/team/none:1` } })
      const failed = await machine.run(['up', '--yes'])
      assert.equal(failed.code, 1)
      assert.match(failed.stdout + failed.stderr, /E_IMAGE_UNKNOWN/)
      const { pid, epoch } = await machine.instance('one/0')
      assert.deepEqual({ pid, epoch }, { pid: before.pid, epoch: before.epoch })
      assert.equal((await machine.status())?.revision, 1)
      const kinds = (await machine.events()).map(({ kind }) => kind)
      assert.ok(kinds.includes('operation-failed') && !kinds.includes('rolling-back') && !kinds.includes('stopping'))
      registry.push('team/none:1', { root: busyboxRoot(engine.folder) })
      const done = await machine.up()
      assert.match(done.stdout, /pulling /)
      assert.equal((await machine.status())?.revision, 3)
    }))

  test('a daemon that dies over the images carries the operation on, with nothing moved before they are here', () =>
    withMachine(open(), async (machine) => {
      await machine.up({ one: sleeper })
      const before = await machine.instance('one/0')
      await machine.killDaemonForGood()
      await using driver = await startCheckpointDriver(join(machine.workshop, 'driver.sock'))
      await using registry = await FakeRegistry.start()
      registry.push('team/late:1', { root: busyboxRoot(engine.folder) })
      registry.isSilent = true
      machine.writeConfig({ one: { ...sleeper, image: `${registry.host}/team/late:1` } })
      const environment = { DARUMA_CHECKPOINTS: driver.path }
      const up = machine.start(['up', '--yes'], { environment })
      await until('the registry is asked', 20_000, () => registry.requests.length > 0)
      assert.equal((await machine.instance('one/0')).pid, before.pid)
      await machine.kill('daemon')
      registry.isSilent = false
      const held = driver.holdAt((name) => name === 'daemon.images-prepared', 30_000)
      const arrival = await held
      assert.equal((await machine.instance('one/0')).pid, before.pid)
      await machine.kill('daemon')
      arrival.go()
      await up.outcome
      await machine.waitUntilSettled()
      const now = await machine.instance('one/0')
      assert.ok(now.pid !== before.pid && (now.epoch ?? 0) > (before.epoch ?? 0))
    }))

  test('a slot that changes from a command to an image and back never holds two', async () => {
    await using witness = await startWitness()
    const machine = new Machine({ witness, environment: engine.environment })
    await withMachine(machine, async () => {
      const process = { ...reporter(), singleton: true, port: false }
      const image = { ...sleeper, command: ['sleep', '100000'] }
      let last = 0
      for (const service of [process, image, process, image]) {
        await machine.up({ one: service })
        await machine.waitUntilSettled()
        const { pid, epoch } = await machine.instance('one/0')
        assert.ok((epoch ?? 0) > last)
        last = epoch ?? 0
        assert.equal(environmentOf(pid ?? 0)['DARUMA_EPOCH'], `${epoch}`)
      }
      await machine.kill('daemon')
      await machine.waitFor('the next daemon', ({ daemon }) => daemon.condition === null)
      await machine.waitUntilSettled()
      assert.equal((await machine.instance('one/0')).epoch, last)
      assert.deepEqual(await witness.violations(), [])
    })
  })

  test("a tcp probe is not taken in by the engine's proxy", () =>
    withMachine(open(), async (machine) => {
      machine.writeConfig({
        web: {
          image: 'bb:1',
          command: 'while [ ! -e /tmp/go ]; do sleep 0.1; done; exec httpd -f -p $PORT',
          health: { readiness: { tcp: true, interval: '100ms' } },
          update: { deadline: '5m' },
        },
      })
      const up = machine.start(['up', '--yes'])
      await machine.waitFor('it runs', ({ instances }) => (instances[0]?.pid ?? null) !== null)
      await until('it is probed and found wanting', 10_000, async () =>
        /nothing listens behind it/.test((await machine.status())?.instances[0]?.reason ?? ''),
      )
      const inside = ['--state', machine.state, 'exec', 'web/0', '--', 'sh', '-c', 'touch /tmp/go', 'sh']
      assert.equal((await machine.run(inside)).code, 0)
      assert.equal((await up.outcome).code, 0)
      assert.equal((await machine.instance('web/0')).health, 'healthy')
    }))

  test("the engine's going and coming is told once each, and everything gets up again", () =>
    withMachine(open(), async (machine) => {
      await machine.up({
        one: sleeper,
        web: { image: 'bb:1', command: 'httpd -f -p $PORT', replicas: 2, health: { readiness: { tcp: true } } },
      })
      const before = await machine.status()
      await engine.kill()
      await machine.waitFor('status says so', ({ daemon }) => daemon.condition !== null)
      const meanwhile = await machine.status()
      assert.deepEqual(
        meanwhile?.instances.map(({ slot, pid, epoch }) => [slot, pid, epoch]),
        before?.instances.map(({ slot, pid, epoch }) => [slot, pid, epoch]),
      )
      await engine.run()
      await machine.waitFor('all are back', (status) => status.daemon.condition === null)
      await machine.waitUntilSettled(60_000)
      const kinds = (await machine.events()).map(({ kind }) => kind).filter((kind) => kind.startsWith('engine-'))
      assert.deepEqual(kinds, ['engine-away', 'engine-back'])
    }))

  test('probes of a command run inside, logs and exec show what is inside, a job completes once', () =>
    withMachine(open(), async (machine) => {
      await machine.up({
        one: {
          ...sleeper,
          command: 'echo hello from $DARUMA_SLOT; touch /tmp/ready; exec sleep 100000',
          health: { readiness: { exec: ['ls', '/tmp/ready'] } },
        },
        job: { image: 'bb:1', command: 'echo done > /out/result', job: true, port: false, volumes: { '/out': 'out' } },
      })
      assert.equal((await machine.instance('one/0')).health, 'healthy')
      assert.match((await machine.run(['logs', 'one', '--no-follow'])).stdout + machine.log('one/0'), /hello from one\/0/)
      // The harness's own flags come last, and after the command they would be the command's: the shell takes them for its own.
      const inside = await machine.run([
        '--state',
        machine.state,
        'exec',
        'one/0',
        '--',
        'sh',
        '-c',
        'cat /tmp/ready && echo "in $DARUMA_SLOT"',
        'sh',
      ])
      assert.match(inside.stdout, /in one\/0/, inside.stderr)
      assert.equal(readFileSync(join(projectDirectory(machine.state), 'volumes', 'out', 'result'), 'utf8'), 'done\n')
      assert.equal((await machine.instance('job/0')).state, 'completed')
    }))

  test("the registry's password is nowhere but where secrets are", () =>
    withMachine(open({ REGISTRY_PASSWORD: 'open sesame street' }), async (machine) => {
      await using registry = await FakeRegistry.start({ user: { name: 'shop', password: 'open sesame street', by: 'basic' } })
      registry.push('private/web:1', { root: busyboxRoot(engine.folder) })
      machine.writeConfigText(
        `import { secret } from 'daruma'\nexport default define({ name: 'test', services: { one: { image: '${registry.host}/private/web:1', registry: { username: 'shop', password: secret('REGISTRY_PASSWORD') }, singleton: true, port: false } } })`,
      )
      const outcome = await machine.up()
      const told = [
        outcome.stdout + outcome.stderr,
        readFileSync(join(machine.state, 'daemon.log'), 'utf8'),
        JSON.stringify(await machine.events()),
        engine.docker('inspect', engine.docker('ps', '-q')),
      ]
      for (const text of told) assert.doesNotMatch(text, /sesame/)
      // Rotated: another password makes no other container.
      const before = await machine.instance('one/0')
      await machine.up()
      assert.equal((await machine.instance('one/0')).pid, before.pid)
    }))

  test('without an engine plan and up say so before anything starts, and doctor what it finds', async () => {
    await using machine = new Machine({ environment: { DOCKER_HOST: 'unix:///nowhere/docker.sock' } })
    machine.writeConfig({ one: sleeper })
    for (const words of [['plan'], ['up', '--yes']]) {
      const { code, stdout, stderr } = await machine.run(words)
      assert.equal(code, 1)
      assert.match(stdout + stderr, /E_ENGINE_AWAY/)
      assert.match(stdout + stderr, /docker\.io/)
    }
    await machine.up({ one: { ...reporter(), port: false } })
    machine.writeConfig({ one: sleeper })
    assert.match((await machine.run(['plan'])).stderr, /E_ENGINE_AWAY/)
    assert.match((await machine.run(['doctor'])).stdout, /an image could not run here/)
    assert.equal((await machine.status())?.operation, null)
  })
})
