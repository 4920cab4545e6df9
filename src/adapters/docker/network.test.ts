import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { ContainerBed, instance } from '../../../test/engine/container-bed.ts'
import { onDocker } from '../../../test/engine/engine-kind.ts'
import { LabEngine, needsEngine } from '../../../test/engine/lab-engine.ts'
import { until } from '../../../test/processes.ts'
import { addressOf, answers, networkContract, refusalOf, runInNetwork, slotOf } from './network.contract.ts'

describe('containers find each other on docker', { skip: onDocker.skip }, () =>
  networkContract(onDocker, (title, body) => void test(title, body)),
)

describe('an engine with one range of addresses', { skip: needsEngine }, () => {
  test('says so to the second state, which starts when the first has given its own back', async (t) => {
    await using engine = await LabEngine.start({ addressPool: 'base=10.199.255.240/28,size=28' })
    const [first, second] = [await ContainerBed.open(t, engine), await ContainerBed.open(t, engine)]
    await runInNetwork(first, 1, ['sleep', '1000'])
    const refusal = await refusalOf(second, 1)
    assert.match(refusal ?? '', /^failed: the engine has no addresses left .*\(E_NETWORK_EXHAUSTED\): .*docker network prune/)
    assert.deepEqual(second.list(), [])
    await first.runtime.kill(instance(1), 15_000)
    await until('the first has no network', 10_000, () => first.networks().length === 0)
    assert.equal(await refusalOf(second, 1), null)
  })
})

test(
  'a container of the time before, on the default bridge, goes on beside those of the network',
  { skip: needsEngine },
  async (t) => {
    const engine = await LabEngine.start()
    t.after(() => engine[Symbol.asyncDispose]())
    const bed = await ContainerBed.open(t, engine)
    const { pid } = await bed.run(4, ['sleep', '1000'])
    engine.docker('network', 'disconnect', 'none', bed.name())
    engine.docker('network', 'connect', 'bridge', bed.name())
    await bed.reopen()
    await runInNetwork(bed, 1, ['sleep', '1000'], slotOf('db'))
    assert.deepEqual(bed.list(), [`${bed.name(slotOf('db'))} 1 running`, `${bed.name()} 4 running`])
    assert.equal(bed.discovery.occupants[0]?.pid, pid)
    await bed.runtime.kill(instance(4), 15_000)
    await runInNetwork(bed, 5, ['sleep', '1000'])
    await answers(bed, 'db', [addressOf(bed, slotOf('db'))])
  },
)
