import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before } from 'node:test'

import { asServiceName, slotId } from '../../core/model/id.ts'
import { readNumber } from '../../host/slot-files.ts'
import { ContainerBed, instance, web } from '../../../test/engine/container-bed.ts'
import type { EngineKind, TestEngine, Testing } from '../../../test/engine/engine-kind.ts'
import { environmentOf, until } from '../../../test/processes.ts'
import { createCommandRunner } from '../node/command.ts'
import { outputContract } from './output.contract.ts'

export function lifeContract({ name, start }: EngineKind, test: Testing): void {
  let engine!: TestEngine
  const isDocker = name === 'docker'
  before(async () => {
    engine = await start()
  })
  after(async () => {
    await engine?.[Symbol.asyncDispose]()
  })

  outputContract(() => engine, test)

  test('a container runs under its slot and epoch, its lines and its exit code are taken, and then it is gone', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const script = 'trap "exit 3" TERM; echo out; sleep 0.3; echo err >&2; while true; do sleep 0.1; done'
    const started = await bed.run(5, ['sh', '-c', script])
    assert.equal(environmentOf(started.pid)['DARUMA_EPOCH'], '5')
    assert.deepEqual(bed.list(), [`${bed.name()} 5 running`])
    await until('its lines', 10_000, () => bed.log().includes('err'))
    await bed.runtime.signal(instance(5), 'SIGTERM')
    const { exit } = await bed.event('gone', 5)
    assert.deepEqual(exit, { kind: 'code', code: 3 })
    assert.equal(bed.log(), 'out\nerr\n')
    assert.equal(readNumber(join(bed.state, 'slots', 'web.0', 'epoch')), 5)
    assert.deepEqual(bed.list(), [])
    assert.deepEqual(
      bed.events.map(({ kind }) => kind),
      ['started', 'gone'],
    )
    assert.deepEqual(await bed.runtime.start(bed.order(5, ['true'])), { kind: 'superseded', by: 5 })
  })

  test('the engine is left nothing to decide, and the program nothing that it was not given', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    mkdirSync(join(bed.state, 'volumes', 'data'), { recursive: true })
    const { pid } = await bed.run(1, ['sh', '-c', 'id -u >/data/id; touch /nowhere; touch /tmp/x && echo tmp; exec sleep 100'], {
      limits: { cpuCores: 0.5, memoryBytes: 64 * 2 ** 20, pids: 50 },
      // Where one is given, Podman wants its own for the number of processes too, which not every root may have.
      ulimits: { nofile: { soft: 100, hard: 200 }, nproc: { soft: 4096, hard: 4096 } },
      volumes: [{ name: 'data', target: '/data' }],
      runs: { user: '1234:1234', directory: '/tmp', readOnly: true, capabilities: ['NET_BIND_SERVICE'] },
    })
    const [raw] = JSON.parse(engine.docker('inspect', bed.name())) as [
      { HostConfig: Record<string, unknown>; Config: Record<string, unknown> },
    ]
    const { RestartPolicy, SecurityOpt, ReadonlyRootfs, NanoCpus, Memory, PidsLimit, Init, LogConfig } = raw.HostConfig
    assert.deepEqual(
      { RestartPolicy, SecurityOpt, ReadonlyRootfs, NanoCpus, Memory, PidsLimit, Init },
      {
        RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
        SecurityOpt: ['no-new-privileges'],
        ReadonlyRootfs: true,
        NanoCpus: 500_000_000,
        Memory: 64 * 2 ** 20,
        PidsLimit: 50,
        Init: isDocker ? true : undefined,
      },
    )
    assert.equal((LogConfig as { Type: string }).Type, 'json-file')
    // Engines tell of capabilities each in their way; the kernel has one: CAP_NET_BIND_SERVICE is number 10 (capability.h).
    assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^CapBnd:\t0000000000000400$/m)
    assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /^Max open files +100 +200 /m)
    await until('its words', 10_000, () => bed.log().includes('tmp'))
    assert.match(bed.log(), /touch: \/nowhere: Read-only file system/)
    assert.equal(readFileSync(join(bed.state, 'volumes', 'data', 'id'), 'utf8'), '1234\n')
    const usage = bed.runtime.usage(instance(1))
    assert.ok(usage !== null && usage.memoryBytes > 10_000 && usage.memoryBytes < 64 * 2 ** 20, JSON.stringify(usage))
  })

  test("the port is published on loopback at the slot's own number", async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const port = 20_000 + (process.pid % 10_000)
    await bed.run(1, ['httpd', '-f', '-p', '8080', '-h', '/bin'], {
      runs: { network: 'bridge', containerPort: 8080, hostPort: port },
    })
    const question = `fetch('http://127.0.0.1:${port}/').then(({ status }) => console.log(status), () => {})`
    const answer = await until('an answer', 20_000, () => engine.inside(process.execPath, '-e', question) || null)
    assert.equal(answer, '404')
  })

  test('a container that wants more memory than it may have is OOM-killed', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    await bed.run(1, ['sh', '-c', 'sleep 0.3; x=a; while true; do x=$x$x; done'], {
      limits: { cpuCores: null, memoryBytes: 16 * 2 ** 20, pids: null },
    })
    // Podman does not tell why on every machine; that it was killed is told on all.
    const { exit } = await bed.event('gone', 1)
    assert.deepEqual(exit, isDocker || exit.kind === 'oom' ? { kind: 'oom' } : { kind: 'signal', signal: 'SIGKILL' })
  })

  test('a signal reaches the program, behind a shell that waits too; a kill ends everything and removes it', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    await bed.run(1, ['sh', '-c', 'trap "echo asked; exit 7" TERM; echo ready; while true; do sleep 0.1; done'])
    await until('it is ready', 10_000, () => bed.log().includes('ready'))
    await bed.runtime.signal(instance(1), 'SIGTERM')
    assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'code', code: 7 })
    assert.match(bed.log(), /asked/)
    await bed.run(2, ['sh', '-c', 'trap "" TERM; sleep 1000 & sleep 1000'])
    await bed.runtime.kill(instance(2), 15_000)
    assert.deepEqual((await bed.event('gone', 2)).exit, { kind: 'signal', signal: 'SIGKILL' })
    assert.deepEqual(bed.list(), [])
    await bed.runtime.signal(instance(2), 'SIGTERM')
    await bed.runtime.kill(instance(2), 1000)
  })

  test('what ends while no daemon looks is found with its exit code and its last line, and its container goes', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const started = await bed.run(1, ['sh', '-c', 'echo first; sleep 1; echo last; exit 9'])
    await bed.runtime[Symbol.asyncDispose]()
    await until('it has ended', 10_000, () => bed.list()[0]?.endsWith('exited') === true)
    await bed.reopen()
    const [occupant] = bed.discovery.occupants
    assert.deepEqual(
      [occupant?.state, occupant?.exit, occupant?.startedAt],
      ['gone', { kind: 'code', code: 9 }, started.startedAt],
    )
    assert.equal(bed.log(), 'first\nlast\n')
    assert.deepEqual(bed.list(), [])
    assert.deepEqual(bed.events, [], 'it is not told a second time')
    await bed.reopen()
    assert.deepEqual(bed.discovery.occupants[0]?.exit, { kind: 'code', code: 9 })
  })

  test("a foreign container with the slot's name is named, and not touched", async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const id = engine.docker('run', '-d', '--network', 'none', '--name', bed.name(), 'bb:1', 'sleep', '1000')
    t.after(() => engine.docker('rm', '-f', id))
    const refusal = await bed.runtime.start(bed.order(1, ['sleep', '1000']))
    assert.equal(refusal?.kind, 'occupied')
    assert.match(refusal?.kind === 'occupied' ? (refusal.holders[0]?.command ?? '') : '', /is not of this state/)
    assert.equal(engine.docker('inspect', '-f', '{{.State.Running}}', id), 'true')
    engine.docker('rename', id, `${bed.name()}-mine`)
    await bed.run(2, ['sleep', '1000'])
    assert.equal(engine.docker('inspect', '-f', '{{.State.Running}}', id), 'true')
  })

  test('a container that an older epoch left is removed before the new one is made', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const labels = [`daruma.state=${bed.stateId}`, 'daruma.slot=web/0', 'daruma.epoch=4'].flatMap((label) => ['--label', label])
    const id = engine.docker('run', '-d', '--network', 'none', '--name', bed.name(), ...labels, 'bb:1', 'sleep', '1000')
    assert.deepEqual(await bed.runtime.start(bed.order(4, ['sleep', '1000'])), { kind: 'superseded', by: 4 })
    await bed.run(6, ['sleep', '1000'])
    assert.throws(() => engine.docker('container', 'inspect', id), /no such/i)
    assert.deepEqual(bed.list(), [`${bed.name()} 6 running`])
  })

  test('while one runs in the slot a second is refused', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    await bed.run(1, ['sleep', '1000'])
    const refusal = await bed.runtime.start(bed.order(2, ['sleep', '1000']))
    assert.equal(refusal?.kind, 'occupied')
    assert.equal(await bed.runtime.isOccupied(web), true)
    assert.equal(await bed.runtime.isOccupied(slotId(asServiceName('other'), 0)), false)
  })

  test('what somebody kills, removes or pauses by hand is told as it is', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    await bed.run(1, ['sleep', '1000'])
    engine.docker('kill', bed.name())
    assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'signal', signal: 'SIGKILL' })
    await bed.run(2, ['sleep', '1000'])
    engine.docker('rm', '-f', bed.name())
    assert.deepEqual((await bed.event('gone', 2)).exit, { kind: 'signal', signal: 'SIGKILL' })
    await bed.run(3, ['sleep', '1000'])
    engine.docker('pause', bed.name())
    await bed.reopen()
    assert.deepEqual(
      bed.discovery.occupants.map(({ epoch, state }) => [epoch, state]),
      [[3, 'running']],
    )
    await bed.runtime.kill(instance(3), 15_000)
    assert.deepEqual((await bed.event('gone', 3)).exit, { kind: 'signal', signal: 'SIGKILL' })
    assert.deepEqual(bed.list(), [])
  })

  test('what the engine refuses to start is refused with its words, and nothing is left', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const refusal = await bed.runtime.start(bed.order(1, ['true'], { runs: { directory: '/bin/busybox' } }))
    assert.equal(refusal?.kind, 'failed')
    assert.match(refusal?.kind === 'failed' ? refusal.message : '', /not a directory/)
    assert.deepEqual(bed.list(), [])
    assert.deepEqual(bed.events, [])
    if (isDocker) {
      // Behind the little init it is a start, and an end as a shell would tell it.
      await bed.run(3, ['no-such-program'])
      assert.deepEqual((await bed.event('gone', 3)).exit, { kind: 'code', code: 127 })
      assert.match(bed.log(), /no-such-program/)
    } else {
      const missing = await bed.runtime.start(bed.order(3, ['no-such-program']))
      assert.match(missing?.kind === 'failed' ? missing.message : '', /no-such-program/)
      assert.deepEqual(bed.list(), [])
    }
    await bed.run(4, ['sleep', '1000'])
  })

  test("something can be run inside, by the engine's own client", async (t) => {
    const bed = await ContainerBed.open(t, engine)
    await bed.run(1, ['sleep', '1000'])
    const plan = await bed.runtime.exec(instance(1), ['sh', '-c', 'echo "in $DARUMA_SLOT"'])
    const [program = '', ...words] = plan.command
    const { execFileSync } = await import('node:child_process')
    assert.equal(execFileSync(program, words, { encoding: 'utf8', env: plan.environment }), 'in web/0\n')
    await assert.rejects(bed.runtime.exec(instance(9), ['true']), { code: 'E_RUNTIME_NOT_RUNNING' })
  })

  test('a command inside that is given up at its time-out leaves nothing behind there', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    await bed.run(1, ['sleep', '1000'])
    const inside = (): readonly string[] =>
      engine
        .docker('top', bed.name(), '-eo', 'pid,args')
        .split('\n')
        .filter((line) => /sleep 77/.test(line))
    const runner = createCommandRunner()
    for (let time = 0; time < 2; time += 1) {
      // On a busy machine it has not begun when its time is over: then it gets more.
      let limitMs = engine.isSlow ? 8000 : 2000
      await until('it is begun and given up', 60_000, async () => {
        const plan = await bed.runtime.exec(instance(1), ['sh', '-c', 'echo begun; sleep 777; true'])
        const { code, output } = await runner.run(plan, limitMs)
        limitMs *= 2
        assert.equal(code, null)
        return /no end within \d+ ms; begun/.test(output)
      })
      await until('nothing of it is left', 20_000, () => inside().length === 0)
    }
    assert.deepEqual(bed.list(), [`${bed.name()} 1 running`])
  })

  for (const point of [
    'directory-made',
    'note-written',
    'epoch-committed',
    'created',
    'started',
    'exit-written',
    'log-taken',
    'removed',
  ])
    test(`a daemon that dies at "${point}" leaves at most one, and the next goes on`, async (t) => {
      let isReached = false
      const dies = async (name: string): Promise<void> => {
        if (name !== `container.${point}`) return
        isReached = true
        await new Promise<never>(() => {})
      }
      const bed = await ContainerBed.open(t, engine, { checkpoint: dies })
      void bed.runtime.start(bed.order(1, ['sh', '-c', 'echo one; exec sleep 1000']))
      if (['exit-written', 'log-taken', 'removed'].includes(point)) {
        await bed.event('started', 1)
        engine.docker('kill', bed.name())
      }
      await until('it is there', 30_000, () => isReached)
      await bed.reopen({ checkpoint: null })
      const running = bed.discovery.occupants.filter(({ state }) => state === 'running')
      assert.equal(running.length, point === 'started' ? 1 : 0)
      assert.equal(bed.list().length, running.length)
      for (const { epoch } of running) await bed.runtime.kill(instance(epoch), 15_000)
      await bed.run(2, ['sleep', '1000'])
      assert.deepEqual(bed.list(), [`${bed.name()} 2 running`])
      const ended = bed.discovery.occupants.find(({ state }) => state === 'gone')
      if (['exit-written', 'log-taken', 'removed'].includes(point))
        assert.deepEqual(ended?.exit, { kind: 'signal', signal: 'SIGKILL' })
    })
}
