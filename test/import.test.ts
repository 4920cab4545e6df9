/** From a Compose file to something that answers, on a real engine: what `daruma import` writes is not only well-formed. */

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { Machine } from './daemon-harness.ts'
import { endContainers } from './engine/end-containers.ts'
import { LabEngine, needsEngine } from './engine/lab-engine.ts'
import { freePorts } from './free-ports.ts'
import { until } from './processes.ts'

const compose = (port: number): string => `
name: imported
x-logging: &logging { logging: { driver: json-file, options: { max-size: 1m } } }
services:
  web:
    <<: *logging
    image: bb:1
    command: httpd -f -p 8000 -h /srv
    ports: [ "${port}:8000" ]
    volumes: [ "pages:/srv" ]
    depends_on: { prepare: { condition: service_completed_successfully } }
    healthcheck: { test: "wget -q --spider http://localhost:8000/ || exit 1", interval: 1s, timeout: 1s }
    stop_grace_period: 2s
  prepare:
    image: bb:1
    command: [ sh, -c, 'echo "$$GREETING, $$PASSWORD" >/srv/index.html' ]
    environment: { GREETING: "\${GREETING:-Good morning}", PASSWORD: "\${PASSWORD:?is needed}" }
    volumes: [ "pages:/srv" ]
  reader:
    image: bb:1
    command: sh -c 'until wget -q -O - http://web:8000/; do sleep 0.2; done; exec sleep 100000'
    depends_on: [ web ]
  worker:
    <<: *logging
    image: bb:1
    command: sh -c 'trap "exit 0" TERM; while :; do echo "at work"; sleep 1; done'
    network_mode: none
    mem_limit: 32m
volumes: { pages: }
`

test('a Compose file is imported, comes up on a real engine, and serves', { skip: needsEngine }, async () => {
  await using engine = await LabEngine.start()
  const machine = new Machine({ environment: { ...engine.environment, PASSWORD: 'from-outside' } })
  try {
    const [port] = await freePorts(1)
    writeFileSync(join(dirname(machine.config), 'compose.yaml'), compose(port!))
    const imported = await machine.run(['import', 'compose.yaml'])
    assert.equal(imported.code, 0, imported.stderr)
    assert.doesNotMatch(imported.stdout + imported.stderr, /web:8000/)
    assert.ok(!readFileSync(machine.config, 'utf8').includes('from-outside'))
    const again = await machine.run(['import', 'compose.yaml'])
    assert.equal(again.code, 1)
    assert.match(again.stderr, /E_IMPORT_EXISTS/)

    const up = await machine.run(['up', '--yes'], { limitMs: 120_000 })
    assert.equal(up.code, 0, `${up.stdout}${up.stderr}\n${await machine.report()}`)
    await machine.waitUntilSettled(60_000)
    const page = await (await fetch(`http://127.0.0.1:${port}/`)).text()
    assert.equal(page, 'Good morning, from-outside\n')
    await until('a container reads it by its name', 10_000, () => machine.log('reader/0').includes('Good morning, from-outside'))
    await until('the worker says something', 10_000, () => machine.log('worker/0').includes('at work'))
    assert.match((await machine.run(['up', '--yes'])).stdout, /no changes/)
  } finally {
    await endContainers(engine, machine)
  }
})
