/** The example with images, on a real engine. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { Machine, root } from './daemon-harness.ts'
import { endContainers } from './engine/end-containers.ts'
import { LabEngine, needsEngine } from './engine/lab-engine.ts'
import { freePorts } from './free-ports.ts'
import { until } from './processes.ts'

test(
  'the example of containers comes up, serves through one port, changes over, and comes back after the engine was killed',
  { skip: needsEngine },
  async () => {
    await using engine = await LabEngine.start()
    const machine = new Machine({ environment: engine.environment })
    try {
      const folder = dirname(machine.config)
      cpSync(join(root, 'examples/containers'), folder, { recursive: true })
      execFileSync(process.execPath, [join(folder, 'make-root.mjs')])
      const [port] = await freePorts(1)
      writeFileSync(machine.config, readFileSync(machine.config, 'utf8').replaceAll('8088', `${port}`))
      const up = await machine.up()
      assert.match(up.stdout, /building /)
      await machine.waitUntilSettled(60_000)
      const page = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/`)).text()
      assert.match(await page(), /^Served by web\/\d, epoch \d+\. Seven falls, eight rises\.$/m)

      writeFileSync(
        join(folder, 'web/serve.sh'),
        readFileSync(join(folder, 'web/serve.sh'), 'utf8').replace('Served by', 'Gladly served by'),
      )
      await machine.up()
      assert.match(await page(), /^Gladly served by/)
      assert.equal((await machine.run(['job', 'run', 'report'])).code, 0)
      const runs = async (): Promise<string> => (await machine.run(['job', 'runs', 'report'])).stdout
      await until('the report has run', 30_000, async () => (await runs()).includes('succeeded'))

      await engine.kill()
      await machine.waitFor('the daemon knows', ({ daemon }) => daemon.condition !== null)
      await engine.run()
      await machine.waitFor('the daemon knows', ({ daemon }) => daemon.condition === null)
      await machine.waitFor('it goes on counting', () => /going on from [1-9]/.test(machine.log('worker/0')))
      await machine.waitUntilSettled(60_000)
      await until('it serves again', 30_000, async () => (await page()).startsWith('Gladly served by'))
      assert.equal((await machine.run(['down', '--yes'])).code, 0)
      assert.equal(engine.docker('ps', '-aq'), '')
    } finally {
      await endContainers(engine, machine)
    }
  },
)
