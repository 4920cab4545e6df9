/**
 * What we add to a container's start: from the daemon's decision (the event that tells of the end of the one before, which decides the next
 * start in the same breath) to `started`, less the time that the engine took for `create` and `start`, taken in front of its socket
 * in that very start. What remains is the epoch, the files, the looking. Beside it the whole, and the same container created
 * and started by bare questions in turns with ours.
 */

import { request } from 'node:http'
import { join } from 'node:path'

import { labels } from '../src/adapters/docker/engine/parse.ts'
import { endContainers } from '../test/engine/end-containers.ts'
import { LabEngine, needsEngine } from '../test/engine/lab-engine.ts'
import { Machine } from '../test/daemon-harness.ts'
import { until } from '../test/processes.ts'
import { watchEngine } from './engine-watch.ts'
import { compare, median, percentile, type Row } from './measure.ts'

const rounds = 30
const service = {
  image: 'bb:1',
  command: ['sleep', '100000'],
  singleton: true,
  port: false,
  network: 'none',
  restart: { delay: '0s' },
}

export async function containerStart(): Promise<readonly Row[]> {
  if (needsEngine !== false) throw new Error(needsEngine)
  await using engine = await LabEngine.start()
  await using watch = await watchEngine({ engine: engine.socket, socket: join(engine.folder, 'watched.sock') })
  const machine = new Machine({ environment: { DOCKER_HOST: `unix://${watch.socket}` } })
  try {
    await machine.up({ one: service })
    await machine.waitUntilSettled()
    const create = await likeOurs(engine)
    const ours: number[] = []
    const bare: number[] = []
    const added: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      if (round % 2 === 0) bare.push(await startBare(engine, create))
      watch.clear()
      const whole = await startOurs(engine, machine)
      ours.push(whole)
      const own = await until('both of its questions are answered', 5000, () => {
        const times = watch.times(/^POST \S*\/containers\/(create\?|[0-9a-f]+\/start )/)
        return times.length >= 2 ? times : null
      })
      added.push(whole - sum(own))
      if (round % 2 === 1) bare.push(await startBare(engine, create))
    }
    return [
      ...compare('container-start, what we add, p50', 'ms', 10, [{ who: 'daruma', value: median(added) }]),
      ...compare('container-start, what we add, p90', 'ms', null, [{ who: 'daruma', value: percentile(added, 90) }]),
      ...compare('container-start, decision to started, p50', 'ms', null, [
        { who: 'daruma', value: median(ours) },
        { who: "the engine's create and start", value: median(bare) },
      ]),
      ...compare('container-start, decision to started, p90', 'ms', null, [
        { who: 'daruma', value: percentile(ours, 90) },
        { who: "the engine's create and start", value: percentile(bare, 90) },
      ]),
    ]
  } finally {
    await endContainers(engine, machine)
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0)

/** The container that the daemon made, as the question that makes another one like it. */
async function likeOurs(engine: LabEngine): Promise<string> {
  const [id = ''] = engine.docker('ps', '-q', '--no-trunc').split('\n')
  const { Config, HostConfig } = JSON.parse(await ask(engine, 'GET', `/containers/${id}/json`)) as Readonly<
    Record<'Config' | 'HostConfig', Readonly<Record<string, unknown>>>
  >
  const { Labels, ...config } = Config
  // Without the label that makes it the daemon's business.
  const { [labels.state]: _state, ...others } = Labels as Readonly<Record<string, string>>
  return JSON.stringify({ ...config, Hostname: '', Labels: others, HostConfig })
}

async function startBare(engine: LabEngine, create: string): Promise<number> {
  const beganAt = performance.now()
  const { Id } = JSON.parse(await ask(engine, 'POST', '/containers/create?name=bare', create)) as { readonly Id: string }
  await ask(engine, 'POST', `/containers/${Id}/start`)
  const tookMs = performance.now() - beganAt
  await ask(engine, 'DELETE', `/containers/${Id}?force=1`)
  return tookMs
}

async function startOurs(engine: LabEngine, machine: Machine): Promise<number> {
  const { epoch } = await machine.instance('one/0')
  engine.docker('kill', engine.docker('ps', '-q', '--filter', `label=${labels.slot}=one/0`))
  return until('its successor runs', 20_000, async () => {
    const events = (await machine.events()).filter(({ slot }) => slot === 'one/0')
    const decided = events.find((event) => event.kind === 'exited' && event.epoch === epoch)
    const started = events.find((event) => event.kind === 'started' && (event.epoch ?? 0) > (epoch ?? 0))
    if (decided === undefined || started === undefined) return null
    return Date.parse(started.at) - Date.parse(decided.at)
  })
}

function ask(engine: LabEngine, method: string, path: string, body: string = ''): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const headers = {
    Host: 'engine',
    Connection: 'close',
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
  }
  const asked = request({ socketPath: engine.socket, method, path, headers }, (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (part: string) => (text += part))
    response.on('end', () =>
      (response.statusCode ?? 500) < 300 ? resolve(text) : reject(new Error(`${method} ${path}: ${text}`)),
    )
  })
  asked.on('error', reject)
  asked.end(body)
  return promise
}
