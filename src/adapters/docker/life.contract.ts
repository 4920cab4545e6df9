import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before } from 'node:test'

import { asServiceName, slotId } from '../../core/model/id.ts'
import { readLog } from '../../host/logs/read-log.ts'
import { listLogFiles, listSegments } from '../../host/logs/segments.ts'
import { readNumber, usualLogBytes } from '../../host/slot-files.ts'
import { ContainerBed, instance, web } from '../../../test/engine/container-bed.ts'
import type { EngineKind, TestEngine, Testing } from '../../../test/engine/engine-kind.ts'
import { environmentOf, until } from '../../../test/processes.ts'
import { createCommandRunner } from '../node/command.ts'

export function lifeContract({ name, start }: EngineKind, test: Testing): void {
  let engine!: TestEngine
  const isDocker = name === 'docker'
  before(async () => {
    engine = await start()
  })
  after(async () => {
    await engine?.[Symbol.asyncDispose]()
  })

  test('a container runs under its slot and epoch, its lines and its exit code are taken, and then it is gone', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const started = await bed.run(5, ['sh', '-c', 'echo out; sleep 0.3; echo err >&2; sleep 0.3; exit 3'])
    assert.equal(environmentOf(started.pid)['DARUMA_EPOCH'], '5')
    assert.deepEqual(bed.list(), [`${bed.name()} 5 running`])
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

  test('a program that ends at once has started and has ended, with its last words', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    await bed.run(1, ['sh', '-c', 'seq 1 2000; printf end'])
    assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'code', code: 0 })
    const lines = bed.log().split('\n')
    assert.deepEqual([lines.length, lines[0], lines[1999], lines[2000]], [2001, '1', '2000', 'end'])
  })

  test('whoever ends in a crowd, too, is not said to be gone before its last words are in the log', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const slots = Array.from({ length: 6 }, (_, index) => slotId(asServiceName('talker'), index))
    for (let epoch = 1; epoch <= 4; epoch += 1) {
      const lives = slots.map(async (slot) => {
        await bed.run(epoch, ['sh', '-c', `ls /; printf 'last words of ${epoch}'`], { slot })
        await bed.event('gone', epoch, slot)
        return bed.log(slot).endsWith(`last words of ${epoch}`)
      })
      assert.deepEqual(
        await Promise.all(lives),
        slots.map(() => true),
      )
    }
  })

  test('the engine is left nothing to decide, and the program nothing that it was not given', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    mkdirSync(join(bed.state, 'volumes', 'data'), { recursive: true })
    const { pid } = await bed.run(1, ['sh', '-c', 'id -u >/data/id; touch /nowhere; touch /tmp/x && echo tmp; exec sleep 100'], {
      limits: { cpuCores: 0.5, memoryBytes: 64 * 2 ** 20, pids: 50 },
      ulimits: { nofile: { soft: 100, hard: 200 } },
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

  test('a container that wants more memory than it may have is ended for want of memory', async (t) => {
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

  test('another daemon finds what runs: same pid, same start, same epoch, and not a line is lost or written twice', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const started = await bed.run(3, [
      'sh',
      '-c',
      'i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); [ $((i % 10)) = 0 ] && sleep 0.01; done; exec sleep 1000',
    ])
    for (let round = 0; round < 6; round++) {
      const seen = bed.log().split('\n').length
      await until('some lines more', 10_000, () => bed.log().split('\n').length > Math.min(seen + 50, 3000))
      // What a daemon wrote and could not note before it died.
      await bed.runtime[Symbol.asyncDispose]()
      if (round % 2 === 1) appendFileSync(segmentsOf(bed).at(-1) ?? '', 'torn')
      await bed.reopen()
      const [occupant, ...others] = bed.discovery.occupants
      assert.deepEqual(others, [])
      const age = occupant?.ageMs ?? -1
      assert.ok(age >= 0 && age < 60_000, `it has lived for ${age} ms`)
      assert.deepEqual(occupant, {
        ageMs: age,
        ...instance(3),
        state: 'running',
        pid: started.pid,
        startTicks: started.startTicks,
        startedAt: started.startedAt,
        exit: null,
        note: '{"epoch":3}',
      })
    }
    await until('the last line', 20_000, () => bed.log().includes('line 2999'))
    assert.deepEqual(
      bed.log().split('\n').slice(0, -1),
      Array.from({ length: 3000 }, (_, index) => `line ${index}`),
    )
    assert.deepEqual(bed.events, [])
  })

  test('what fills the file of the engine again and again in a hurry is taken once too, also by another daemon', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const text = '#'.repeat(100)
    const script = [
      // One piece fills most of the smallest file that an engine is given.
      `say() { awk -v a=$n 'BEGIN { for (i = a; i < a + 1200; i++) print "line", i, "${text}" }'; n=$((n + 1200)); }`,
      'n=0; trap say USR1; echo ready; while true; do sleep 0.05; done',
    ]
    await bed.run(1, ['sh', '-c', script.join('\n')], { maxLogBytes: 1 << 18 })
    await until('it is ready', 10_000, () => bed.log() === 'ready\n')
    let lines = 0
    const say = (): void => {
      engine.docker('kill', '-s', 'USR1', bed.name())
      lines += 1200
    }
    for (let round = 0; round < 3; round += 1) {
      for (let piece = 0; piece < 4; piece += 1) {
        say()
        await until('its last line', 20_000, () => bed.log().endsWith(`line ${lines - 1} ${text}\n`))
      }
      await bed.runtime[Symbol.asyncDispose]()
      say()
      await bed.reopen()
      await until('what was said meanwhile', 20_000, () => bed.log().endsWith(`line ${lines - 1} ${text}\n`))
    }
    const expected = Array.from({ length: lines }, (_, index) => `line ${index} ${text}`)
    // The log keeps its bound, and its offsets count every byte that was ever taken.
    const { end } = await readLog(join(bed.state, 'slots', 'web.0'), { lines: 0 }, 1)
    assert.equal(end, 'ready\n'.length + expected.join('\n').length + 1)
    const kept = bed.log().split('\n').slice(1, -1)
    assert.ok(kept.length > 1200)
    assert.deepEqual(kept, expected.slice(-kept.length))
  })

  test('files that somebody removes under a running container are made again, and it is said once', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const folder = join(bed.state, 'slots', 'web.0')
    const script = 'i=0; while true; do echo "line $i"; i=$((i+1)); sleep 0.1; done'
    await bed.run(7, ['sh', '-c', script], { maxLogBytes: 123_456 })
    const removed = (): readonly string[] => bed.warnings.filter((warning) => warning.includes(folder))
    const isThere = (): boolean => listSegments(folder).length > 0 && bed.log().split('\n').length > 20
    await until('its lines', 10_000, isThere)
    rmSync(folder, { recursive: true })
    await until('its lines are there again', 20_000, isThere)
    assert.deepEqual(
      [readNumber(join(folder, 'epoch')), readNumber(join(folder, 'log.bound'))],
      [7, 123_456],
      'its log is bounded, and nobody takes its epoch for free',
    )
    assert.deepEqual(removed(), [`somebody has removed files of ${folder}; its log begins anew undefined`])
    rmSync(folder, { recursive: true })
    await bed.reopen()
    await until('the next daemon has its lines too', 20_000, isThere)
    for (const path of listLogFiles(folder)) rmSync(path)
    await until('and a log that alone was removed', 20_000, isThere)
    const numbers = [...bed.log().matchAll(/^line (\d+)$/gm)].map(([, number]) => Number(number))
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => (numbers[0] ?? 0) + index),
      'none is there twice',
    )
    // Nothing can be made where the state itself is gone: that too is said once, not with every try.
    bed.warnings.length = 0
    renameSync(join(bed.state, 'slots'), join(bed.state, 'elsewhere'))
    for (const path of listLogFiles(join(bed.state, 'elsewhere', 'web.0'))) rmSync(path)
    await until('it is said', 10_000, () => bed.warnings.length > 0)
    const { length } = bed.engine.docker('logs', bed.name()).split('\n')
    await until('it went on', 10_000, () => bed.engine.docker('logs', bed.name()).split('\n').length > length + 10)
    assert.equal(removed().length, 1, bed.warnings.join('\n'))
    renameSync(join(bed.state, 'elsewhere'), join(bed.state, 'slots'))
    await until('it recovers from that', 10_000, isThere)
    await bed.runtime.kill(instance(7), 15_000)
    await bed.event('gone', 7)
    bed.warnings.length = 0
    await bed.run(8, ['sleep', '1000'], { maxLogBytes: usualLogBytes })
    await bed.reopen()
    await bed.runtime.kill(instance(8), 15_000)
    await bed.event('gone', 8)
    assert.deepEqual(removed(), [], 'nothing is said of what is there, and a usual bound is not written down')
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
      await until('it is begun and given up', 60_000, async () => {
        const plan = await bed.runtime.exec(instance(1), ['sh', '-c', 'echo begun; sleep 777; true'])
        const { code, output } = await runner.run(plan, engine.isSlow ? 8000 : 2000)
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

const segmentsOf = (bed: ContainerBed): readonly string[] =>
  listSegments(join(bed.state, 'slots', 'web.0')).map(({ path }) => path)
