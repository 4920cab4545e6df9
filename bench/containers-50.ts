/**
 * Fifty containers of one image with the same options: `daruma up` until all of them run, beside `docker run -d` fifty times, as a shell
 * script would. Taken in turns on one engine. The daemon's memory is told with all fifty in its care.
 */

import { spawnSync } from 'node:child_process'

import { endContainers } from '../test/engine/end-containers.ts'
import { LabEngine, needsEngine } from '../test/engine/lab-engine.ts'
import { Machine } from '../test/daemon-harness.ts'
import { compare, median, memoryOf, type Row } from './measure.ts'
import { inOrder } from './side-by-side.ts'

const count = 50
const rounds = 3
const flags = ['--network', 'none', '--init', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--no-healthcheck']

/** Ready as soon as it runs: a script that ends with `docker run -d` knows no more. */
const fifty = {
  many: {
    image: 'bb:1',
    command: ['sleep', '100000'],
    replicas: count,
    port: false,
    network: 'none',
    update: { minReady: '0s' },
  },
}

export async function containers50(): Promise<readonly Row[]> {
  if (needsEngine !== false) throw new Error(needsEngine)
  await using engine = await LabEngine.start()
  const machine = new Machine({ environment: engine.environment })
  const [ours, theirs, resident, proportional]: number[][] = [[], [], [], []]
  const byDaruma = async (): Promise<void> => {
    const beganAt = performance.now()
    await machine.up(fifty)
    ours?.push(performance.now() - beganAt)
    const memory = memoryOf(machine.find('daemon'))
    resident?.push(memory.resident)
    proportional?.push(memory.proportional)
    if ((await machine.run(['down', '--yes'])).code !== 0) throw new Error('down failed')
  }
  const byDocker = async (): Promise<void> => {
    const environment = { PATH: process.env['PATH'], HOME: engine.folder, ...engine.environment }
    const script = `for i in $(seq ${count}); do docker run -d ${flags.join(' ')} bb:1 sleep 100000 >/dev/null || exit 1; done`
    const beganAt = performance.now()
    const { status, stderr } = spawnSync('/bin/sh', ['-c', script], { env: environment, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    theirs?.push(performance.now() - beganAt)
    engine.docker('rm', '-f', ...engine.docker('ps', '-aq').split('\n'))
  }
  try {
    // The daemon is up, as it is on a machine that has one; its first word to the engine is in the first round.
    await machine.up({ other: { command: ['sleep', '100000'], port: false } })
    for (let round = 0; round < rounds; round += 1) for (const each of inOrder([byDaruma, byDocker], round)) await each()
    return [
      ...compare('50 containers', 'ms', null, [
        { who: 'daruma up', value: median(ours ?? []) },
        { who: 'docker run -d, 50 times', value: median(theirs ?? []) },
      ]),
      ...compare('daemon with 50 containers, resident', 'MB', 100, [{ who: 'daruma', value: median(resident ?? []) }]),
      ...compare('daemon with 50 containers, proportional', 'MB', null, [{ who: 'daruma', value: median(proportional ?? []) }]),
    ]
  } finally {
    await endContainers(engine, machine)
  }
}
