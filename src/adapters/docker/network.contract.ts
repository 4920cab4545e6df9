import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { after, before } from 'node:test'

import { hangLimit } from '../../../test/hang-limit.ts'
import { asServiceName, type SlotId, slotId } from '../../core/model/id.ts'
import { ContainerBed, instance, type OrderOver, web } from '../../../test/engine/container-bed.ts'
import type { EngineKind, TestEngine, Testing } from '../../../test/engine/engine-kind.ts'
import { freePorts } from '../../../test/free-ports.ts'
import { until } from '../../../test/processes.ts'

export const slotOf = (service: string, index: number = 0): SlotId => slotId(asServiceName(service), index)

const inNetwork: OrderOver = { runs: { network: 'bridge' } }

export async function runInNetwork(
  bed: ContainerBed,
  epoch: number,
  words: readonly string[],
  slot: SlotId = web,
): Promise<void> {
  await bed.run(epoch, words, { ...inNetwork, slot })
}

/** What a start is refused with; null where it is not. */
export async function refusalOf(bed: ContainerBed, epoch: number, slot: SlotId = web): Promise<string | null> {
  const refusal = await bed.runtime.start(bed.order(epoch, ['sleep', '1000'], { ...inNetwork, slot }))
  return refusal === null ? null : `${refusal.kind}: ${'message' in refusal ? refusal.message : ''}`
}

/** The addresses that a name has inside a container, in the order of their numbers. */
function resolve(bed: ContainerBed, name: string, inside: SlotId = web): readonly string[] {
  const words = ['exec', bed.name(inside), 'sh', '-c', `/bin/busybox nslookup -type=a ${name} || true`]
  // The first part is the server's own address.
  const [, ...answers] = bed.engine.docker(...words).split(/answer:|Name:/)
  return [...answers.join('').matchAll(/^Address: (\S+)/gm)].map(([, address = '']) => address).toSorted()
}

/** Podman's name server is told of a start a moment after it. */
export async function answers(
  bed: ContainerBed,
  name: string,
  addresses: readonly string[],
  inside: SlotId = web,
): Promise<void> {
  const deadline = performance.now() + hangLimit(20_000)
  let found = resolve(bed, name, inside)
  while (found.join(' ') !== addresses.join(' ') && performance.now() < deadline) found = resolve(bed, name, inside)
  assert.deepEqual(found, addresses)
}

export const addressOf = (bed: ContainerBed, slot: SlotId): string =>
  bed.engine.docker('inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', bed.name(slot))

export function networkContract({ start }: EngineKind, test: Testing): void {
  let engine!: TestEngine
  before(async () => {
    engine = await start()
  })
  after(async () => {
    await engine?.[Symbol.asyncDispose]()
  })

  test('a service is found by its name: every slot of it, none that has ended, and nobody of another state', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const other = await ContainerBed.open(t, engine)
    const [one, two] = [slotOf('db', 0), slotOf('db', 1)]
    const serve = ['httpd', '-f', '-p', '8080', '-h', '/tmp']
    await Promise.all([
      runInNetwork(bed, 1, ['sleep', '1000']),
      runInNetwork(bed, 1, serve, one),
      runInNetwork(bed, 1, serve, two),
      runInNetwork(other, 1, ['sleep', '1000']),
    ])
    await answers(bed, 'db', [addressOf(bed, one), addressOf(bed, two)].toSorted())
    assert.match(engine.docker('exec', bed.name(), 'sh', '-c', 'wget http://db:8080/none 2>&1 || true'), /404 Not Found/)
    await answers(bed, 'web', [addressOf(bed, web)])
    await answers(other, 'web', [addressOf(other, web)])
    assert.equal(bed.networks().length, 1, 'three at once make one')

    await bed.runtime.kill(instance(1, one), 15_000)
    await answers(bed, 'db', [addressOf(bed, two)])
    await runInNetwork(bed, 2, serve, one)
    await answers(bed, 'db', [addressOf(bed, one), addressOf(bed, two)].toSorted())
  })

  test('the engine is told the name, and which network it is for', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    await runInNetwork(bed, 1, ['sleep', '1000'])
    const networks = JSON.parse(engine.docker('inspect', '-f', '{{json .NetworkSettings.Networks}}', bed.name())) as Readonly<
      Record<string, { readonly Aliases: readonly string[] }>
    >
    assert.deepEqual(Object.keys(networks), [`daruma-${bed.stateId}`])
    assert.ok(networks[`daruma-${bed.stateId}`]?.Aliases.includes('web'))
  })

  test("what listens in this machine's own network is reached as host.docker.internal", async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const [port = 0] = await freePorts(1)
    const host: OrderOver = { runs: { network: 'host' } }
    await bed.run(1, ['httpd', '-f', '-p', `${port}`, '-h', '/tmp'], { ...host, slot: slotOf('host') })
    const ask = `until wget http://host.docker.internal:${port}/none 2>&1 | grep 404; do sleep 0.1; done`
    await runInNetwork(bed, 1, ['sh', '-c', ask.replace('grep', '/bin/busybox grep')])
    assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'code', code: 0 })
    assert.match(bed.log(), /404 Not Found/)
  })

  test('the network is made when somebody needs it, found again, and goes when nothing is left', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    await bed.run(1, ['sleep', '1000'])
    assert.deepEqual(bed.networks(), [])
    await runInNetwork(bed, 1, ['sleep', '1000'], slotOf('db'))
    const [network] = bed.networks()
    await bed.reopen()
    await runInNetwork(bed, 1, ['sleep', '1000'], slotOf('cache'))
    assert.deepEqual(bed.networks(), [network])
    for (const slot of [web, slotOf('db')]) await bed.runtime.kill(instance(1, slot), 15_000)
    const idle = 4 * 500 + 1000
    await new Promise((resolve) => setTimeout(resolve, idle))
    assert.deepEqual(bed.networks(), [network], 'one container is enough for it to stay')
    await bed.runtime.kill(instance(1, slotOf('cache')), 15_000)
    await until('it is gone', 10_000, () => bed.networks().length === 0)
    await runInNetwork(bed, 2, ['sleep', '1000'], slotOf('db'))
    await bed.runtime.kill(instance(2, slotOf('db')), 15_000)
    assert.equal(bed.networks().length, 1)
    await bed.runtime[Symbol.asyncDispose]()
    assert.deepEqual(bed.networks(), [], 'a daemon that ends takes it along when nothing is in it')
    await bed.reopen()
  })

  test("one that somebody else's container is in stays", async (t) => {
    const bed = await ContainerBed.open(t, engine)
    await runInNetwork(bed, 1, ['sleep', '1000'])
    const id = engine.docker('run', '-d', '--network', `daruma-${bed.stateId}`, 'bb:1', 'sleep', '1000')
    t.after(() => engine.docker('rm', '-f', id))
    await bed.runtime.kill(instance(1), 15_000)
    await until('it is let be', 10_000, () => bed.warnings.some((line) => line.includes('is in use, and stays')))
    assert.equal(bed.networks().length, 1)
    assert.equal(engine.docker('inspect', '-f', '{{.State.Running}}', id), 'true')
    engine.docker('rm', '-f', id)
    await until('it goes with its last guest', 10_000, () => bed.networks().length === 0)
  })

  test('a foreign network of its name is named, and neither used nor touched', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const id = engine.docker('network', 'create', '--label', 'whose=mine', `daruma-${bed.stateId}`)
    t.after(() => engine.docker('network', 'prune', '-f'))
    assert.match(
      (await refusalOf(bed, 1)) ?? '',
      /^failed: .* not of this state \(E_NETWORK_FOREIGN\): .*docker network rm daruma-/,
    )
    assert.deepEqual(bed.list(), [])
    await bed.runtime[Symbol.asyncDispose]()
    assert.equal(engine.docker('network', 'inspect', '-f', '{{.Labels.whose}}', id), 'mine')
    await bed.reopen()
    engine.docker('network', 'rm', id)
    assert.equal(await refusalOf(bed, 1), null)
  })

  test('one that was removed under its containers is made again with the next start, and they go on', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    await runInNetwork(bed, 1, ['sleep', '1000'])
    const network = `daruma-${bed.stateId}`
    engine.docker('network', 'disconnect', '-f', network, bed.name())
    engine.docker('network', 'rm', network)
    await runInNetwork(bed, 1, ['sleep', '1000'], slotOf('db'))
    assert.equal(bed.networks().length, 1)
    await answers(bed, 'db', [addressOf(bed, slotOf('db'))], slotOf('db'))
    assert.equal(bed.list().length, 2)
    assert.ok(!bed.events.some(({ kind }) => kind === 'gone'))
  })

  test('of two with its name, which an engine makes of questions that cross, one is left', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const body = JSON.stringify({ Name: `daruma-${bed.stateId}`, Driver: 'bridge', Labels: { 'daruma.state': bed.stateId } })
    await ask(engine, '/networks/create', body)
    if ((await ask(engine, '/networks/create', body)) !== 201) return t.skip('this engine makes none twice')
    assert.equal(bed.networks().length, 2)
    await runInNetwork(bed, 1, ['sleep', '1000'])
    assert.equal(bed.networks().length, 1)
    await answers(bed, 'web', [addressOf(bed, web)])
  })

  test('a daemon that dies when the network is made leaves one network, and the next uses it', async (t) => {
    let isReached = false
    const dies = async (name: string): Promise<void> => {
      if (name !== 'container.network-made') return
      isReached = true
      await new Promise<never>(() => {})
    }
    const bed = await ContainerBed.open(t, engine, { checkpoint: dies })
    void refusalOf(bed, 1)
    await until('it is there', 30_000, () => isReached)
    const [network] = bed.networks()
    await bed.reopen({ checkpoint: null })
    await runInNetwork(bed, 1, ['sleep', '1000'])
    assert.deepEqual(bed.networks(), [network])
  })
}

/** Resolves to the status. */
async function ask(engine: TestEngine, path: string, body: string): Promise<number> {
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), Connection: 'close' }
  const asked = request({ socketPath: engine.socket, method: 'POST', path, headers })
  asked.end(body)
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode ?? 0
}
