/** The example that the README begins with. */

import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { root } from './daemon-harness.ts'
import { onMachine } from './scene.ts'

test('the hello example comes up, serves what its build rendered, counts once, and goes on counting after a kill', () =>
  onMachine(async ({ machine }) => {
    const folder = dirname(machine.config)
    cpSync(join(root, 'examples/hello'), folder, { recursive: true })
    const up = await machine.up()
    assert.match(up.stdout, /revision 1/)
    const { instances, services } = await machine.waitUntilSettled()
    assert.deepEqual(services.map(({ service, kind, desired }) => `${service} ${kind} ${desired}`).toSorted(), [
      'check job 1',
      'web replicas 3',
      'worker singleton 1',
    ])
    for (const { service, slot, port, epoch } of instances) {
      if (service !== 'web') continue
      const page = await (await fetch(`http://127.0.0.1:${port}/`)).text()
      assert.match(page, /Seven falls, eight rises\./)
      assert.ok(page.includes(`Served by ${slot}, epoch ${epoch}.`), page)
    }
    await machine.waitFor('two ticks', () => machine.log('worker/0').includes('beginning'))
    await sleep(1200)
    await machine.kill('instance', 'worker/0')
    await machine.waitFor('it goes on', () => /going on from [1-9]/.test(machine.log('worker/0')))
    assert.match((await machine.up()).stdout, /no changes/)
    const down = await machine.run(['down', '--yes'])
    assert.equal(down.code, 0)
    assert.match(down.stdout, /everything goes down/)
    assert.doesNotMatch(down.stdout, /left the config/)
  }))
