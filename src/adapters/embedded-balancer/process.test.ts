/** The embedded balancer's process as its keeper and its daemon meet it: how it begins, what it survives, how it ends. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { makeWorkshop } from '../../../test/clean-up.ts'
import { childrenOf, identify, isAlive, signalProcess, until } from '../../../test/processes.ts'
import { open } from '../../../test/support/attacker.ts'
import { listener, openBed, pool, rawExchange, simple, statusOf, table, type Bed } from '../../../test/support/balancer-bed.ts'
import type { Balancer } from '../../ports/traffic/balancer.ts'
import { createEmbeddedBalancer } from './index.ts'

const make = (stateDirectory: string): Balancer => createEmbeddedBalancer({ stateDirectory, node: process.execPath })
const get = async (port: number): Promise<number> =>
  statusOf(await rawExchange(port, 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n'))

describe('The process of the embedded balancer', () => {
  it('tells an exception that nobody caught, and goes on with everything else', async () => {
    const thrower =
      "process.on('SIGUSR2', () => { setImmediate(() => { throw new Error('on purpose') }); Promise.reject(new Error('broken promise')) })"
    await using bed: Bed = openBed((state) => {
      const balancer = make(state)
      return {
        ...balancer,
        prepare: async (wanted) => {
          const program = await balancer.prepare(wanted)
          const [node = '', ...words] = program.command
          return { ...program, command: [node, '--import', `data:text/javascript,${encodeURIComponent(thrower)}`, ...words] }
        },
      }
    })
    const port = await bed.freePort()
    const upstream = await bed.serve((_, response) => void setTimeout(() => response.end('late'), 300))
    await bed.start(simple(port, [upstream.upstream]))
    const underWay = get(port)
    await until('a request is under way', 3000, () => upstream.executed.length === 1)
    // Under root the worker is the one that reads what strangers send.
    process.kill(childrenOf(bed.pid())[0]?.pid ?? bed.pid(), 'SIGUSR2')
    assert.equal(await underWay, 200)
    assert.equal(await get(port), 200)
    await until('it is told', 3000, () => /survived: Error: on purpose/.test(bed.log()) && /broken promise/.test(bed.log()))
  })

  it('asked to end, accepts nothing new, finishes what it has, and ends', async () => {
    await using bed = openBed(make)
    const port = await bed.freePort()
    const upstream = await bed.serve((_, response) => void setTimeout(() => response.end('late'), 500))
    await bed.start(simple(port, [upstream.upstream]))
    const idle = await open(port)
    const underWay = rawExchange(port, 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
    await until('a request is under way', 3000, () => upstream.executed.length === 1)
    const id = identify(bed.pid())
    assert.ok(id !== null && signalProcess(id, 'SIGTERM'))
    const answer = await underWay
    assert.equal(statusOf(answer), 200)
    assert.match(answer, /^connection: close\r$/im)
    await until('it has ended', 5000, () => !isAlive(id))
    idle.destroy()
    await assert.rejects(once(connect(port, '127.0.0.1'), 'connect'), /ECONNREFUSED/)
  })

  it('tries a port that somebody had again by itself, and serves it when it is free', async () => {
    await using bed = openBed(make)
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    const holder = createServer().listen(port, '127.0.0.1')
    await once(holder, 'listening')
    await bed.start(table([], []))
    await assert.rejects(bed.balancer.apply(simple(port, [upstream.upstream])), /port \d+: node \(pid \d+\) has it/)
    holder.close()
    await once(holder, 'close')
    await until('the port is served', 5000, async () => (await get(port)) === 200)
  })

  it('begins also with a table that nobody can read, says so, and takes the next', async () => {
    await using bed = openBed((state) => {
      const balancer = make(state)
      return {
        ...balancer,
        prepare: async (wanted) => {
          const program = await balancer.prepare(wanted)
          writeFileSync(join(program.directory, 'embedded.json'), '{"settings":')
          return program
        },
      }
    })
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(table([], []))
    assert.match(bed.log(), /no table to begin with/)
    await bed.balancer.apply(simple(port, [upstream.upstream]))
    assert.equal(await get(port), 200)
  })

  it('shows its table and its socket to nobody else', async () => {
    await using bed = openBed(make)
    await bed.start(table([], []))
    const mode = (name: string): string => (statSync(join(bed.state, 'balancer', name)).mode & 0o777).toString(8)
    assert.deepEqual(['', 'embedded.json', 'embedded.sock'].map(mode), ['700', '600', '600'])
  })

  it('is reached also below a path that is longer than a socket’s address', async () => {
    const workshop = makeWorkshop()
    const deep = join(workshop, 'x'.repeat(100), 'y'.repeat(100))
    mkdirSync(deep, { recursive: true })
    try {
      await using bed = openBed(() => make(deep))
      const [port, upstream] = [await bed.freePort(), await bed.serve()]
      await bed.start(simple(port, [upstream.upstream]))
      await bed.balancer.apply(table([listener(port)], [pool([])]))
      assert.equal(await get(port), 503)
    } finally {
      rmSync(workshop, { recursive: true, force: true })
    }
  })
})
