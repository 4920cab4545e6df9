import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import { ContainerBed } from '../../../test/engine/container-bed.ts'
import { LabEngine, needsEngine } from '../../../test/engine/lab-engine.ts'
import { findStateOfDirectory } from './state-of-directory.ts'

test('where no engine listens, no directory is anybody’s', async () => {
  assert.equal(await findStateOfDirectory({ DOCKER_HOST: 'unix:///nowhere/docker.sock' }, '/state'), null)
  assert.equal(await findStateOfDirectory({ DOCKER_HOST: 'tcp://10.0.0.1:2375' }, '/state'), null)
})

describe('of a state directory that has lost its identity', { skip: needsEngine }, () => {
  let engine!: LabEngine
  before(async () => {
    engine = await LabEngine.start()
  })
  after(async () => {
    await engine?.[Symbol.asyncDispose]()
  })

  test('the engine tells the state id by what runs, also when nothing of the directory is left; frozen, it tells nothing', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const find = (directory: string): Promise<string | null> => findStateOfDirectory(engine.environment, directory)
    assert.equal(await find(bed.state), null)
    await bed.run(1, ['sleep', '1000'])
    assert.equal(await find(bed.state), bed.stateId)
    assert.equal(await find(`${bed.state}-other`), null)
    rmSync(join(bed.state, 'slots'), { recursive: true })
    assert.equal(await find(bed.state), bed.stateId)
    engine.signal('SIGSTOP')
    try {
      await assert.rejects(find(bed.state), /does not answer/)
    } finally {
      engine.signal('SIGCONT')
    }
  })
})
