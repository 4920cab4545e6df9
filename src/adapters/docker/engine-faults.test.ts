import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { ContainerBed, impatient, instance, web } from '../../../test/engine/container-bed.ts'
import { LabEngine, needsEngine } from '../../../test/engine/lab-engine.ts'
import { hangLimit } from '../../../test/hang-limit.ts'
import { allPids, environmentOf, until } from '../../../test/processes.ts'
import { isThorough } from '../../../test/thorough.ts'

/** By the kernel, whatever any engine says: processes that were given this state's epochs. Behind the little init there are two of each. */
function epochsRunning(bed: ContainerBed): readonly string[] {
  const found = allPids().flatMap((pid) => {
    const environment = environmentOf(pid)
    return environment['BED'] === bed.stateId ? [environment['DARUMA_EPOCH'] ?? ''] : []
  })
  return [...new Set(found)]
}

/** Looks all the time; a second epoch beside another is remembered forever. */
function watchForTwo(t: TestContext, bed: ContainerBed): { readonly stop: () => Promise<readonly string[]> } {
  const seen: string[] = []
  let isWatching = true
  const watching = (async () => {
    while (isWatching) {
      const epochs = epochsRunning(bed)
      if (epochs.length > 1) seen.push(epochs.join(' and '))
      await sleep(5)
    }
  })()
  t.after(() => {
    isWatching = false
  })
  return {
    stop: async () => {
      isWatching = false
      await watching
      return seen
    },
  }
}

const forever = (bed: ContainerBed): { readonly environment: Record<string, string> } => ({ environment: { BED: bed.stateId } })

function starting(bed: ContainerBed, epoch: number): ReturnType<ContainerBed['order']> {
  const order = bed.order(epoch, ['sleep', '1000'])
  return { ...order, environment: { ...order.environment, ...forever(bed).environment } }
}

async function run(bed: ContainerBed, epoch: number): Promise<{ readonly pid: number }> {
  assert.equal(await bed.runtime.start(starting(bed, epoch)), null)
  return bed.event('started', epoch)
}

/** By the last report: on a busy machine a slow answer may have been reported as a fault, and its end, before. */
const isNoticed = (bed: ContainerBed): Promise<unknown> =>
  until('the fault is noticed', 10_000, () => typeof bed.faults.at(-1) === 'string')

/** The engine does not answer, and the start ends all the same. */
async function endsInTime<Result>(start: Promise<Result>): Promise<Result> {
  const limit = new AbortController()
  const hang = sleep(hangLimit(20_000), undefined, { signal: limit.signal }).then(() => assert.fail('the start never ended'))
  try {
    return await Promise.race([start, hang])
  } finally {
    limit.abort()
    await hang.catch(() => {})
  }
}

describe('an engine that fails, without live-restore', { skip: needsEngine }, () => {
  let engine!: LabEngine
  before(async () => {
    engine = await LabEngine.start()
  })
  // A test that failed may have left it dead or frozen.
  beforeEach(async () => {
    engine.signal('SIGCONT')
    if (!(await engine.ping())) await engine.run()
  })
  after(async () => {
    await engine?.[Symbol.asyncDispose]()
  })

  test('while it is away what ran counts as running; what died with it is told when it is back, once each', async (t) => {
    const bed = await ContainerBed.open(t, engine, { limits: impatient })
    await run(bed, 1)
    await engine.kill()
    await isNoticed(bed)
    assert.deepEqual(
      bed.events.map(({ kind }) => kind),
      ['started'],
    )
    assert.equal(await bed.runtime.isOccupied(web), true)
    const refusal = await bed.runtime.start(starting(bed, 2))
    assert.equal(refusal?.kind, 'engine-away')
    await engine.run()
    await bed.event('gone', 1)
    assert.equal(bed.faults.at(-1), null)
    await run(bed, 3)
    assert.deepEqual(epochsRunning(bed), ['3'])
  })

  test('a daemon that begins while the engine is away keeps the slot, and learns the truth later', async (t) => {
    const bed = await ContainerBed.open(t, engine, { limits: impatient })
    const { pid } = await run(bed, 1)
    await engine.kill()
    await bed.reopen()
    assert.deepEqual(
      bed.discovery.occupants.map((occupant) => [occupant.epoch, occupant.state, occupant.pid]),
      [[1, 'running', pid]],
    )
    await engine.run()
    await bed.event('gone', 1)
    await run(bed, 2)
  })

  test('a start in a frozen engine ends in time, and whatever the engine does later there are never two', async (t) => {
    const bed = await ContainerBed.open(t, engine, { limits: impatient })
    const two = watchForTwo(t, bed)
    await run(bed, 1)
    await bed.runtime.kill(instance(1), 15_000)
    let last = 1
    // In the moment of the start: the creation, or the start itself, is under way in the engine.
    for (const [round, delayMs] of (isThorough ? [0, 5, 20, 60, 120] : [0, 20, 120]).entries()) {
      const epoch = (last += 1)
      const asked = bed.runtime.start(starting(bed, epoch))
      await sleep(delayMs)
      engine.signal('SIGSTOP')
      const refusal = await endsInTime(asked)
      // In every other round the daemon dies meanwhile, and the next one begins before the engine goes on.
      if (round % 2 === 1) await bed.reopen()
      engine.signal('SIGCONT')
      await until('the engine answers', 20_000, () => engine.ping())
      if (refusal === null) await bed.runtime.kill(instance(epoch), 15_000)
      await until('a later epoch may start', 20_000, async () => {
        last += 1
        return (await bed.runtime.start(starting(bed, last))) === null
      })
      await bed.event('started', last)
      await bed.runtime.kill(instance(last), 15_000)
    }
    assert.deepEqual(await two.stop(), [])
  })

  test('a kill in a frozen engine is refused in time, and is carried out when it goes on', async (t) => {
    const bed = await ContainerBed.open(t, engine, { limits: impatient })
    await run(bed, 1)
    engine.signal('SIGSTOP')
    try {
      await assert.rejects(bed.runtime.kill(instance(1), 1500), { code: 'E_RUNTIME_UNKILLABLE' })
      assert.deepEqual(epochsRunning(bed), ['1'])
      const refusal = await bed.runtime.start(starting(bed, 2))
      assert.notEqual(refusal, null)
    } finally {
      engine.signal('SIGCONT')
    }
    await bed.event('gone', 1)
    assert.deepEqual(epochsRunning(bed), [])
  })
})

describe('an engine that fails, with live-restore', { skip: needsEngine }, () => {
  test('its restart is survived: the same container, adopted, and its lines go on', async (t) => {
    const engine = await LabEngine.start({ liveRestore: true })
    t.after(() => engine[Symbol.asyncDispose]())
    const bed = await ContainerBed.open(t, engine, { limits: impatient })
    const runs = { network: 'bridge' } as const
    const order = bed.order(1, ['sh', '-c', 'i=0; while true; do echo "line $i"; i=$((i+1)); sleep 0.1; done'], { runs })
    assert.equal(await bed.runtime.start(order), null)
    const { pid } = await bed.event('started', 1)
    await engine.kill()
    await isNoticed(bed)
    await engine.run()
    await until('it is back', 10_000, () => bed.faults.at(-1) === null)
    const before = bed.log().split('\n').length
    await until('its lines go on', 20_000, () => bed.log().split('\n').length > before + 10)
    assert.deepEqual(
      bed.events.map(({ kind }) => kind),
      ['started'],
    )
    assert.equal(engine.docker('inspect', '-f', '{{.State.Pid}}', bed.name()), `${pid}`)
    const name = ['exec', bed.name(), 'sh', '-c', '/bin/busybox nslookup -type=a web']
    assert.match(engine.docker(...name), /^Name:\s+web$/m, 'it still answers to its name')
    const lines = bed.log().split('\n').slice(0, -1)
    assert.equal(new Set(lines).size, lines.length, 'no line is there twice')
    await bed.runtime.kill(instance(1), 15_000)
    assert.deepEqual(bed.list(), [])
  })
})
