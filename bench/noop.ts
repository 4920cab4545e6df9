/** The commands that people and CI type most often, from the start of the process to its end. */

import { Machine } from '../test/daemon-harness.ts'
import { compare, median, type Row } from './measure.ts'

const instances = 200
const services = 10_000
const rounds = 7

export async function noop(): Promise<readonly Row[]> {
  return [
    ...compare(`up that changes nothing, ${instances} instances`, 'ms', 400, [{ who: 'daruma', value: await upAgain() }]),
    ...compare(`plan of ${services} services`, 'ms', 1500, [{ who: 'daruma', value: await planMany() }]),
  ]
}

async function upAgain(): Promise<number> {
  await using machine = new Machine()
  await machine.up({ idle: { command: ['sleep', '1000000'], replicas: instances } })
  return await medianOf(machine, ['up', '--yes'])
}

async function planMany(): Promise<number> {
  await using machine = new Machine()
  machine.writeConfigText(`
const services = {}
for (let index = 0; index < ${services}; index += 1) {
  services['service-' + index] = { command: ['sleep', '1000000'], environment: { INDEX: index }, health: { http: '/healthz' } }
}
export default define({ name: 'many', services })`)
  return await medianOf(machine, ['plan'])
}

async function medianOf(machine: Machine, words: readonly string[]): Promise<number> {
  const times: number[] = []
  for (let round = 0; round <= rounds; round += 1) {
    const beganAt = performance.now()
    const { code, stdout, stderr } = await machine.run(words)
    // The first one fills the caches of the disk and of compiled code.
    if (round > 0) times.push(performance.now() - beganAt)
    if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}\n${stdout}${stderr}`)
  }
  return median(times)
}
