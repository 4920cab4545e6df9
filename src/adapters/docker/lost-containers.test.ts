import assert from 'node:assert/strict'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'

import { ContainerBed, impatient, instance, web } from '../../../test/engine/container-bed.ts'
import { FaultyEngine, type Rule } from '../../../test/engine/faulty-engine.ts'
import { LabEngine, needsEngine } from '../../../test/engine/lab-engine.ts'
import { reservedBytes } from '../../host/slot-files.ts'
import { identify, isAlive, signalProcess, until } from '../../../test/processes.ts'

const isInspect = (method: string, path: string): boolean => method === 'GET' && /^\/containers\/[^/]+\/json$/.test(path)
const isList = (_method: string, path: string): boolean => path === '/containers/json'

/** As if the daemon had died before it noted that the container runs: then only the engine knows. */
function forgetBeginning(bed: ContainerBed, epoch: number): void {
  const file = openSync(join(bed.state, 'slots', 'web.0', `${epoch}`, 'started'), 'r+')
  writeSync(file, ' '.repeat(reservedBytes), 0)
  closeSync(file)
}

/** Looked at as often as this nothing is said to have ended. */
async function lookRepeatedly(bed: ContainerBed, isLooked: () => boolean): Promise<void> {
  await until('it was looked at', 20_000, isLooked)
  assert.deepEqual(
    bed.events.filter(({ kind }) => kind !== 'started'),
    [],
  )
}

function kindsOf(bed: ContainerBed): readonly (readonly [number, string, number | null])[] {
  return bed.discovery.occupants.map(({ epoch, state, pid }) => [epoch, state, pid] as const)
}

async function assertOccupied(bed: ContainerBed, epoch: number, pid: number): Promise<void> {
  assert.equal(await bed.runtime.isOccupied(web), true)
  const refusal = await bed.runtime.start(bed.order(epoch, ['sleep', '1000']))
  assert.equal(refusal?.kind, 'occupied', JSON.stringify(refusal))
  assert.ok(refusal.kind === 'occupied' && refusal.holders.some((holder) => holder.pid === pid), JSON.stringify(refusal))
}

describe('a container that its engine loses sight of', { skip: needsEngine }, () => {
  let engine!: LabEngine
  before(async () => {
    engine = await LabEngine.start()
  })
  after(async () => {
    await engine?.[Symbol.asyncDispose]()
  })

  async function openFaulty(t: TestContext): Promise<{ readonly bed: ContainerBed; readonly faulty: FaultyEngine }> {
    const faulty = await FaultyEngine.start(engine)
    t.after(() => faulty[Symbol.asyncDispose]())
    const bed = await ContainerBed.open(t, engine, { environment: faulty.environment, limits: impatient })
    return { bed, faulty }
  }

  /** Counts what the rule is asked for, and fails what it says. */
  function counting(rule: Rule): { readonly rule: Rule; readonly count: () => number } {
    let asked = 0
    return {
      rule: (method, path) => {
        if (isInspect(method, path) || isList(method, path)) asked += 1
        return rule(method, path)
      },
      count: () => asked,
    }
  }

  test('one that was renamed by hand is found by its labels, by a daemon that began under a frozen engine too', async (t) => {
    const bed = await ContainerBed.open(t, engine, { limits: impatient })
    const { pid } = await bed.run(1, ['sleep', '1000'])
    engine.docker('rename', bed.name(), `${bed.name()}-by-hand`)
    await assertOccupied(bed, 2, pid)
    engine.signal('SIGSTOP')
    try {
      forgetBeginning(bed, 1)
      await bed.reopen()
      assert.deepEqual(kindsOf(bed), [[1, 'running', null]])
      assert.equal((await bed.runtime.start(bed.order(2, ['sleep', '1000'])))?.kind, 'engine-away')
    } finally {
      engine.signal('SIGCONT')
    }
    await until('the engine is back', 20_000, () => bed.faults.at(-1) === null)
    await assertOccupied(bed, 3, pid)
    await bed.reopen()
    assert.deepEqual(kindsOf(bed), [[1, 'running', pid]])
    await assertOccupied(bed, 4, pid)
    assert.deepEqual(bed.list(), [`${bed.name()}-by-hand 1 running`])
    await bed.runtime.kill(instance(1), 15_000)
    await bed.event('gone', 1)
    await bed.run(5, ['sleep', '1000'])
    assert.deepEqual(bed.list(), [`${bed.name()} 5 running`])
  })

  test('one of an older epoch that nobody knows of any more is removed whatever its name is, before its successor is made', async (t) => {
    const bed = await ContainerBed.open(t, engine, { limits: impatient })
    const labels = [`daruma.state=${bed.stateId}`, 'daruma.slot=web/0', 'daruma.epoch=4'].flatMap((label) => ['--label', label])
    const id = engine.docker('run', '-d', '--network', 'none', '--name', `${bed.name()}-mine`, ...labels, 'bb:1', 'sleep', '1000')
    assert.deepEqual(await bed.runtime.start(bed.order(4, ['sleep', '1000'])), { kind: 'superseded', by: 4 })
    await bed.run(6, ['sleep', '1000'])
    assert.throws(() => engine.docker('container', 'inspect', id), /no such/i)
    assert.deepEqual(bed.list(), [`${bed.name()} 6 running`])
  })

  const failures = {
    'is refused': { kind: 'refuse', status: 500, message: 'layer does not exist' },
    'never comes': { kind: 'hang' },
    'breaks off': { kind: 'cut' },
  } as const
  for (const [words, fault] of Object.entries(failures)) {
    for (const [question, isIt] of Object.entries({ inspect: isInspect, list: isList })) {
      test(`an answer to "${question}" that ${words} is no end: what runs is kept, nothing is started, and it is known again later`, async (t) => {
        const { bed, faulty } = await openFaulty(t)
        const { pid, startTicks } = await bed.run(1, ['sleep', '1000'])
        const broken = counting((method, path) => (isIt(method, path) ? fault : null))
        faulty.rule = broken.rule
        forgetBeginning(bed, 1)
        await bed.reopen({ environment: faulty.environment })
        assert.deepEqual(kindsOf(bed), [[1, 'running', null]])
        const asked = broken.count()
        await lookRepeatedly(bed, () => broken.count() > asked + 2 || bed.faults.length > 0)
        assert.notEqual(await bed.runtime.start(bed.order(2, ['sleep', '1000'])), null)
        assert.equal(await bed.runtime.isOccupied(web), true)
        assert.deepEqual(bed.list(), [`${bed.name()} 1 running`])
        faulty.rule = () => null
        await until('it can be told to end', 30_000, () =>
          bed.runtime.kill(instance(1), 10_000).then(
            () => true,
            () => false,
          ),
        )
        await bed.event('gone', 1)
        assert.ok(!isAlive({ pid, startTicks }))
        await bed.run(3, ['sleep', '1000'])
      })
    }
  }

  test('while the kernel has its first process it runs, whether the engine says that it has ended or that there is none', async (t) => {
    const { bed, faulty } = await openFaulty(t)
    const { pid, startTicks } = await bed.run(1, ['sleep', '1000'])
    type Inspected = { readonly State: object }
    const ended = { Status: 'exited', Running: false, Pid: 0, ExitCode: 0 }
    const lies: Readonly<Record<string, Rule>> = {
      ended: (method, path) =>
        isInspect(method, path)
          ? {
              kind: 'change',
              change: (answer) => ({ ...(answer as object), State: { ...(answer as Inspected).State, ...ended } }),
            }
          : isList(method, path)
            ? { kind: 'change', change: (answer) => (answer as object[]).map((item) => ({ ...item, State: 'exited' })) }
            : null,
      unknown: (method, path) =>
        isInspect(method, path)
          ? { kind: 'refuse', status: 404, message: 'No such container' }
          : isList(method, path)
            ? { kind: 'change', change: () => [] }
            : null,
    }
    for (const rule of Object.values(lies)) {
      faulty.rule = rule
      bed.warnings.length = 0
      await lookRepeatedly(bed, () => bed.warnings.some((warning) => warning.includes(`still runs as process ${pid}`)))
      await assertOccupied(bed, 2, pid)
      await bed.reopen({ environment: faulty.environment })
      assert.deepEqual(kindsOf(bed), [[1, 'running', pid]])
      await assertOccupied(bed, 3, pid)
    }
    // It is ended by the kernel's hand where the engine does not know it any more.
    await bed.runtime.kill(instance(1), 15_000)
    await bed.event('gone', 1)
    assert.ok(!isAlive({ pid, startTicks }))
    faulty.rule = () => null
    await bed.run(4, ['sleep', '1000'])
    assert.deepEqual(bed.list(), [`${bed.name()} 4 running`])
  })

  test('one that an administrator restarts is watched under its new first process', async (t) => {
    const bed = await ContainerBed.open(t, engine, { limits: impatient })
    const { pid } = await bed.run(1, ['sh', '-c', 'trap "exit 0" TERM; while true; do sleep 0.05; done'])
    const now = (): number => Number(engine.docker('inspect', '-f', '{{.State.Pid}}', bed.name()))
    await bed.runtime[Symbol.asyncDispose]()
    engine.docker('restart', bed.name())
    const successor = now()
    assert.notEqual(successor, pid)
    await bed.reopen()
    assert.deepEqual(kindsOf(bed), [[1, 'running', successor]])
    await assertOccupied(bed, 2, successor)
    const id = identify(successor)
    assert.ok(id !== null)
    signalProcess(id, 'SIGKILL')
    await bed.event('gone', 1)
    await bed.run(3, ['sleep', '1000'])
  })
})
