/**
 * Changes that nobody notices, with whichever balancer, under open-loop load from a second process that never sends anything twice: no
 * request fails through updates, scaling, restarts, the way back, and daemons that are killed or replaced. Who is killed himself takes with
 * him what he was just doing and what must not be done again, and nothing else.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Machine, root } from '../daemon-harness.ts'
import { settle } from '../load/ledger.ts'
import { startLoad } from '../load/load.ts'
import type { Load, LoadResult } from '../load/load.ts'
import { countingUpstream } from '../load/upstream.ts'
import { until } from '../processes.ts'
import { freePort } from '../free-ports.ts'
import { isThorough } from '../thorough.ts'

const isMissing = (program: string): string | false =>
  program === 'haproxy' && !(existsSync('/usr/sbin/haproxy') && existsSync(join(root, 'src/adapters/haproxy')))
    ? 'haproxy is not installed'
    : false

/** A shop of some replicas behind a balancer, whose config says another version each time. */
class Shop implements AsyncDisposable {
  readonly machine: Machine = new Machine()
  readonly port: number
  readonly #program: string
  readonly ledger: string

  private constructor(program: string, port: number) {
    this.#program = program
    this.port = port
    this.ledger = join(this.machine.workshop, 'ledger')
  }

  static async open(program: string): Promise<Shop> {
    const shop = new Shop(program, await freePort())
    await shop.up('v1')
    return shop
  }

  write(
    version: string,
    update: Readonly<Record<string, unknown>> = {},
    environment: Readonly<Record<string, string>> = {},
    route: unknown = { port: this.port },
  ): void {
    const web = {
      command: [process.execPath, countingUpstream],
      environment: { LEDGER: this.ledger, VERSION: version, ...environment },
      replicas: 3,
      health: { http: '/healthz', interval: '1s' },
      route,
      update,
    }
    const project = { name: 'shop', balancer: { program: this.#program, address: '127.0.0.1' }, services: { web } }
    this.machine.writeConfigText(`export default define(${JSON.stringify(project)})`)
  }

  async up(version: string): Promise<void> {
    this.write(version)
    await this.machine.up()
  }

  async ask(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.machine.run(words)
    assert.equal(code, 0, `${words.join(' ')}\n${stdout}${stderr}\n${await this.machine.report()}`)
    return stdout
  }

  load(seconds: number, rate: number = 100): Promise<Load> {
    return startLoad({ port: this.port, rate, seconds, path: '/?ms=15', connections: 64, timeoutMs: 8000 })
  }

  assertEachOnce(result: LoadResult): void {
    const { repeated, lost } = settle(result, this.ledger)
    assert.deepEqual({ repeated, lost }, { repeated: [], lost: [] })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.machine[Symbol.asyncDispose]()
  }
}

const told = ({ failures, failuresByPhase }: LoadResult): string => JSON.stringify([failuresByPhase, failures.slice(0, 5)])

export function testTraffic(program: 'embedded' | 'haproxy'): void {
  describe(`behind ${program}`, { skip: isMissing(program) }, () => {
    it('no request fails through updates, scaling, restarts, and the way back', async () => {
      await using shop = await Shop.open(program)
      await using load = await shop.load(120)
      for (const version of ['v2', 'v3']) await shop.up(version)
      await shop.ask('scale', 'web=5')
      await shop.ask('restart', 'web', '--yes')
      await shop.ask('scale', 'web=2')
      await shop.ask('rollback', '1', '--yes')
      const result = await load.stop()
      assert.equal(result.failed, 0, told(result))
      shop.assertEachOnce(result)
    })

    it('no request fails when the daemon is killed in the middle of an update, or stopped and started again', async () => {
      await using shop = await Shop.open(program)
      const balancer = await shop.machine.instance('@balancer/0')
      await using load = await shop.load(120)
      shop.write('v2')
      const up = shop.machine.start(['up', '--yes'])
      await until('the update is under way', 20_000, async () => (await shop.machine.status())?.operation !== null)
      await sleep(100)
      await shop.machine.kill('daemon')
      await up.outcome
      await shop.machine.waitUntilSettled()
      await shop.ask('daemon', 'stop')
      await sleep(300)
      await shop.up('v3')
      await shop.machine.waitUntilSettled()
      const result = await load.stop()
      assert.equal(result.failed, 0, told(result))
      shop.assertEachOnce(result)
      const { pid, epoch } = await shop.machine.instance('@balancer/0')
      assert.deepEqual({ pid, epoch }, { pid: balancer.pid, epoch: balancer.epoch })
    })

    it('a replica that is killed takes with it only what must not be sent again', async () => {
      await using shop = await Shop.open(program)
      await using load = await shop.load(120)
      for (const slot of ['web/0', 'web/1', 'web/2', 'web/0']) {
        await sleep(300)
        await shop.machine.kill('instance', slot)
        await shop.machine.waitUntilSettled()
      }
      const result = await load.stop()
      const safe = result.failures.filter(({ method }) => method === 'GET')
      assert.deepEqual(safe, [], told(result))
      // At 100 a second and 15 ms each, three replicas have at most one request each under way.
      assert.ok(result.failed <= 8, told(result))
      shop.assertEachOnce(result)
    })

    it('a balancer that is killed is back soon, once, and serves as before', async () => {
      await using shop = await Shop.open(program)
      const before = await shop.machine.instance('@balancer/0')
      await using load = await shop.load(120)
      load.mark('killed')
      await shop.machine.kill('instance', '@balancer/0')
      const status = await shop.machine.waitFor('the balancer runs again', ({ instances }) =>
        instances.some(({ slot, state, epoch }) => slot === '@balancer/0' && state === 'running' && epoch !== before.epoch),
      )
      await shop.machine.waitUntilSettled()
      await until('it answers', 10_000, () =>
        fetch(`http://127.0.0.1:${shop.port}/`).then(
          ({ ok }) => ok,
          () => false,
        ),
      )
      // What was sent while nobody listened is over by now.
      await sleep(500)
      load.mark('after')
      await shop.up('v2')
      const result = await load.stop()
      assert.equal(result.phases.find(({ name }) => name === 'after')?.failed, 0, told(result))
      assert.ok(result.failed > 0, 'killing it went unnoticed: was it killed?')
      shop.assertEachOnce(result)
      const after = status.instances.filter(({ service }) => service === '@balancer')
      assert.equal(after.length, 1)
      assert.ok((after[0]?.epoch ?? 0) > (before.epoch ?? 0))
    })

    it('a bad canary is rolled back with its numbers, and only its share of the requests saw it', async () => {
      await using shop = await Shop.open(program)
      await using load = await shop.load(120)
      shop.write('v2', { canary: { share: 0.2, for: '60s', errorRate: 0.05 } }, { FAIL_SHARE: '0.5' })
      const { code, stdout, stderr } = await shop.machine.run(['up', '--yes'])
      assert.equal(code, 1)
      assert.match(`${stdout}${stderr}`, /canary in use, 20 % of requests/)
      assert.match(`${stdout}${stderr}`, /of the canary's requests failed, of the old revision 0 of/)
      load.mark('after')
      await sleep(500)
      const result = await load.stop()
      assert.equal(result.phases.find(({ name }) => name === 'after')?.failed, 0, told(result))
      const statuses = result.failures.filter(({ phase }) => phase === 'status')
      assert.equal(statuses.length, result.failed, told(result))
      assert.ok(result.failed < result.answered / 4, `${result.failed} of ${result.sent} saw it`)
      assert.equal((await shop.machine.status())?.revision, 1)
    })

    it('a port that a stranger has fails the operation by its number, and what was served is served on', async () => {
      await using shop = await Shop.open(program)
      const stranger = createServer().listen(0, '127.0.0.1')
      await once(stranger, 'listening')
      const { port } = stranger.address() as AddressInfo
      try {
        await using load = await shop.load(60)
        shop.write('v1', {}, {}, [{ port: shop.port }, { port }])
        const { code, stdout, stderr } = await shop.machine.run(['up', '--yes'])
        assert.equal(code, 1, stdout)
        assert.match(`${stdout}${stderr}`, new RegExp(`\\b${port}\\b.*(taken|in use)|(taken|in use|listen).*\\b${port}\\b`))
        assert.equal((await shop.machine.status())?.revision, 1)
        const result = await load.stop()
        assert.equal(result.failed, 0, told(result))
      } finally {
        stranger.close()
      }
    })

    // Who gives the canary its share is proven of each balancer above, and of both by their contract; what promotes it is the same code.
    if (program !== 'embedded' && !isThorough) return
    it('a good canary is promoted by hand without a failed request', async () => {
      await using shop = await Shop.open(program)
      await using load = await shop.load(120)
      shop.write('v2', { canary: { share: 0.2, for: '10m' } })
      const up = shop.machine.start(['up', '--yes'])
      await shop.machine.waitFor('the canary has requests', ({ services }) => (services[0]?.canary?.requests ?? 0) > 0)
      await shop.ask('promote', 'web')
      const { code, stdout } = await up.outcome
      assert.equal(code, 0, stdout)
      assert.match(stdout, /the canary is promoted by hand/)
      const result = await load.stop()
      assert.equal(result.failed, 0, told(result))
      shop.assertEachOnce(result)
    })
  })
}
