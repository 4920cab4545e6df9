/** Under root the embedded balancer is two processes: what reads strangers' bytes may do nothing, and what may do things reads none. */

import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { makeWorkshop } from '../../../test/clean-up.ts'
import { freePort } from '../../../test/free-ports.ts'
import { childrenOf, identify, isAlive, signalProcess, until } from '../../../test/processes.ts'
import { listener, openBed, pool, rawExchange, simple, statusOf, table, type Bed } from '../../../test/support/balancer-bed.ts'
import { createEmbeddedBalancer } from './index.ts'
import { startWorker } from './parent.ts'
import { unprivilegedId } from './unprivileged-user.ts'

const skip = process.geteuid?.() === 0 ? false : 'needs root'
const root = fileURLToPath(new URL('../../..', import.meta.url))
const openEmbedded = (entry?: string): Bed =>
  openBed((stateDirectory) =>
    createEmbeddedBalancer({ stateDirectory, node: process.execPath, ...(entry === undefined ? {} : { entry }) }),
  )
const get = (port: number): Promise<string> => rawExchange(port, 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n')

function statusLines(pid: number): Readonly<Record<string, string>> {
  const lines = readFileSync(`/proc/${pid}/status`, 'latin1').split('\n')
  return Object.fromEntries(lines.map((line) => [line.split(':')[0] ?? '', line.slice(line.indexOf(':') + 1).trim()]))
}

function workerOf(bed: Bed): number {
  const [worker, ...others] = childrenOf(bed.pid())
  assert.ok(worker !== undefined && others.length === 0)
  return worker.pid
}

/** Below 1024 and free: nobody but root may listen there. */
async function freeLowPort(): Promise<number> {
  for (let port = 1023; port > 600; port -= 1) {
    const isTaken = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (!isTaken) return port
  }
  throw new Error('no low port is free')
}

describe('The privileges of the embedded balancer', { skip }, () => {
  it('stay behind with its parent: the worker is a user without a name, without capabilities, groups and a way back', async (t) => {
    // As a service manager or a login would leave it; the bed's processes have them too.
    const groups = process.getgroups?.() ?? []
    process.setgroups?.([0, 65_519])
    t.after(() => process.setgroups?.(groups))
    await using bed = openEmbedded()
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(simple(port, [upstream.upstream]))
    assert.equal(statusOf(await get(port)), 200)
    const { Uid, Gid, Groups, CapEff, CapPrm, CapInh, CapAmb, NoNewPrivs } = statusLines(workerOf(bed))
    const [id, none] = [String(unprivilegedId()), '0000000000000000']
    assert.deepEqual(
      { Uid: Uid?.split('\t'), Gid: Gid?.split('\t'), Groups, CapEff, CapPrm, CapInh, CapAmb, NoNewPrivs },
      {
        Uid: [id, id, id, id],
        Gid: [id, id, id, id],
        Groups: '',
        CapEff: none,
        CapPrm: none,
        CapInh: none,
        CapAmb: none,
        NoNewPrivs: '1',
      },
    )
    const limits = readFileSync(`/proc/${workerOf(bed)}/limits`, 'latin1')
    assert.match(limits, /^Max processes +256 +256/m)
    assert.match(limits, /^Max core file size +0 +0/m)
    assert.equal(statusLines(bed.pid())['Uid']?.split('\t')[0], '0')
  })

  it('are there when a later table wants a port below 1024, and nobody is turned away while it comes', async () => {
    await using bed = openEmbedded()
    const [port, upstream] = [await bed.freePort(), await bed.serve()]
    await bed.start(simple(port, [upstream.upstream]))
    for (let round = 0; round < 5; round += 1) {
      const low = await freeLowPort()
      let isOver = false
      // Anything that is let in is served, also in the moment in which the socket changes hands.
      const knocking = Array.from({ length: 4 }, async () => {
        const answers: string[] = []
        while (!isOver) {
          const answer = await get(low)
          if (answer !== '' || answers.length > 0) answers.push(answer.slice(0, 12))
          await new Promise((resolve) => setImmediate(resolve))
        }
        return answers
      })
      await bed.balancer.apply(table([listener(port), listener(low)], [pool([upstream.upstream])]))
      await until('it is served', 10_000, async () => statusOf(await get(low)) === 200)
      isOver = true
      for (const answers of await Promise.all(knocking))
        assert.deepEqual(
          answers.filter((answer) => answer !== 'HTTP/1.1 200'),
          [],
        )
      await bed.balancer.apply(simple(port, [upstream.upstream]))
    }
  })

  it('are used for what the table says, whatever a worker asks for', async (t) => {
    const port = await freePort()
    process.env['ROGUE_PORT'] = String(port)
    t.after(() => delete process.env['ROGUE_PORT'])
    const controlled = await startWorker('/nowhere', join(root, 'test/fixtures/rogue-worker.mjs'))
    await assert.rejects(controlled.apply(simple(port, [])), { message: 'EPERM, EPERM, a socket' })
    await controlled.end(5000)
  })

  it('are not needed to load anything later: its program may lie where only root can read', async () => {
    const workshop = makeWorkshop()
    const home = join(workshop, 'home')
    mkdirSync(home, { mode: 0o700 })
    try {
      cpSync(join(root, 'dist'), join(home, 'dist'), { recursive: true })
      cpSync(join(root, 'package.json'), join(home, 'package.json'))
      const undici = dirname(realpathSync(join(root, 'node_modules/undici/package.json')))
      cpSync(undici, join(home, 'node_modules/undici'), { recursive: true })
      await using bed = openEmbedded(join(home, 'dist/main/balancer.js'))
      const [port, upstream] = [await bed.freePort(), await bed.serve()]
      await bed.start(simple(port, [upstream.upstream]))
      assert.equal(statusOf(await get(port)), 200)
      const post = `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc`
      assert.equal(statusOf(await rawExchange(port, post)), 200)
      await upstream.close()
      assert.equal(statusOf(await get(port)), 503)
      assert.doesNotMatch(bed.log(), /survived|EACCES/)
    } finally {
      rmSync(workshop, { recursive: true, force: true })
    }
  })

  it('end together: with the worker its parent, so that the slot restarts, and with the parent its worker', async () => {
    for (const which of ['worker', 'parent'] as const) {
      await using bed = openEmbedded()
      await bed.start(table([], []))
      const ids = [identify(bed.pid()), identify(workerOf(bed))] as const
      const [parent, worker] = ids
      assert.ok(parent !== null && worker !== null)
      signalProcess(which === 'worker' ? worker : parent, 'SIGKILL')
      await until('both are gone', 10_000, () => !isAlive(parent) && !isAlive(worker))
    }
  })
})

describe('A user without a name', () => {
  it('is one that neither distributions nor systemd give out, and that nobody here is called', () => {
    const line = (id: number): string => `somebody:x:${id}:100::/:/bin/false`
    assert.equal(unprivilegedId(''), 65_533)
    assert.equal(unprivilegedId(`${line(65_533)}\n${line(65_532)}\n`), 65_531)
    assert.equal(unprivilegedId(Array.from({ length: 14 }, (_, index) => line(65_520 + index)).join('\n')), 65_520)
  })
})
