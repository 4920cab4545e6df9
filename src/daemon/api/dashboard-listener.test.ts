import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../sim/clock.ts'
import { DarumaError } from '../../ports/error.ts'
import { DashboardListener } from './dashboard-listener.ts'

interface Opened {
  readonly port: number
  readonly token: string
  readonly onUse: () => void
  isWatched: boolean
  isClosed: boolean
}

class Scene {
  readonly clock = new SimulatedClock()
  readonly opened: Opened[] = []
  readonly files = new Map<string, string>()
  boot = 'boot-1'
  taken: number | null = null
  #tokens = 0

  door(): DashboardListener {
    return new DashboardListener({
      clock: this.clock,
      random: { fraction: () => 0, hex: (bytes) => `token-${(this.#tokens += 1)}-${bytes}` },
      log: { write: () => {} },
      directory: {
        bootId: this.boot,
        readFile: async (name) => this.files.get(name) ?? null,
        writeFile: async (name, text) => void this.files.set(name, text),
      },
      server: {
        open: async ({ port, token, onUse }) => {
          if (port !== null && port === this.taken) throw new DarumaError('E_PAGE_PORT', 'taken')
          const page: Opened = { port: port ?? 4000 + this.opened.length, token, onUse, isWatched: false, isClosed: false }
          this.opened.push(page)
          return { port: page.port, isWatched: () => page.isWatched, close: async () => void (page.isClosed = true) }
        },
      },
    })
  }

  get open(): readonly Opened[] {
    return this.opened.filter(({ isClosed }) => !isClosed)
  }

  async pass(minutes: number): Promise<void> {
    const end = this.clock.now() + minutes * 60_000
    while (this.clock.turn(end)) for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
  }
}

test('a second ask is told of the same page, also when both come at once', async () => {
  const scene = new Scene()
  const door = scene.door()
  const [first, second] = await Promise.all([door.ask({ port: null }), door.ask({ port: null })])
  assert.deepEqual(second, first)
  assert.deepEqual(first, {
    port: 4000,
    token: 'token-1-32',
    url: 'http://127.0.0.1:4000/#token=token-1-32',
    idleLimitMs: 900_000,
  })
  assert.equal(scene.opened.length, 1)
})

test('a link leads to one project where it is about one, and the page stays the same', async () => {
  const scene = new Scene()
  const door = scene.door()
  const links = [await door.ask({ port: null }, 'shop'), await door.ask({ port: null }, null)].map(({ url }) => url)
  assert.deepEqual(links, ['http://127.0.0.1:4000/?project=shop#token=token-1-32', 'http://127.0.0.1:4000/#token=token-1-32'])
  assert.equal(scene.opened.length, 1)
})

test('another port moves the page there with its token; one that is taken leaves it where it is', async () => {
  const scene = new Scene()
  const door = scene.door()
  await door.ask({ port: null })
  const moved = await door.ask({ port: 9000 })
  assert.deepEqual([moved.port, moved.token, scene.open.map(({ port }) => port)], [9000, 'token-1-32', [9000]])
  scene.taken = 9001
  await assert.rejects(door.ask({ port: 9001 }), { code: 'E_PAGE_PORT' })
  assert.deepEqual(
    scene.open.map(({ port }) => port),
    [9000],
  )
})

test('the page closes when nobody has looked for 15 minutes, not while somebody does, and the next one has another token', async () => {
  const scene = new Scene()
  const door = scene.door()
  await door.ask({ port: null })
  await scene.pass(10)
  scene.open[0]?.onUse()
  await scene.pass(10)
  assert.equal(scene.open.length, 1)
  const [page] = scene.open
  assert.ok(page)
  page.isWatched = true
  await scene.pass(60)
  assert.equal(scene.open.length, 1)
  page.isWatched = false
  page.onUse()
  await scene.pass(17)
  assert.equal(scene.open.length, 0)
  assert.equal((await door.ask({ port: null })).token, 'token-2-32')
})

test('the next daemon opens it again at the same port with the same token, unless the machine was rebooted or it was closed', async () => {
  const scene = new Scene()
  const first = scene.door()
  const { port, token } = await first.ask({ port: null })
  await first.close()
  assert.equal(scene.open.length, 0)

  await scene.door().resume()
  assert.deepEqual(
    scene.open.map((page) => [page.port, page.token]),
    [[port, token]],
  )
  await scene.pass(20)
  assert.equal(scene.open.length, 0)
  await scene.door().resume()
  assert.equal(scene.open.length, 0)

  const third = scene.door()
  await third.ask({ port: null })
  await third.close()
  scene.boot = 'boot-2'
  await scene.door().resume()
  assert.equal(scene.open.length, 0)
})

test('a port that was taken meanwhile is no trouble for the daemon', async () => {
  const scene = new Scene()
  const first = scene.door()
  const { port } = await first.ask({ port: null })
  await first.close()
  scene.taken = port
  const next = scene.door()
  await next.resume()
  assert.equal(scene.open.length, 0)
  assert.notEqual((await next.ask({ port: null })).port, port)
})
