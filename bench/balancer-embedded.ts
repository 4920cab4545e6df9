/** The embedded balancer beside the least that Node can do, and beside Caddy: how many requests a second, in how much memory. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createEmbeddedBalancer } from '../src/adapters/embedded-balancer/index.ts'
import { root } from '../scripts/tree.ts'
import { listener, makeUpstream, pool, table } from '../test/support/balancer-bed.ts'
import { childrenOf } from '../test/processes.ts'
import { compare, compareRates, reportOne, type Row } from './measure.ts'
import { measureProxies, openProxyGround, startCaddy, type Proxy, type ProxyGround } from './proxies.ts'

const rounds = 5
const seconds = 5
const connections = 64
/** Of the minimal proxy's rate: what everything beyond passing bytes may cost. */
const leastShare = 0.8
const mostMegabytes = 100
/** Warm is never quite warm; a leak of 100 bytes a request would be 10 MB over 100,000. */
const mostGrown = 10

export async function balancerEmbedded(): Promise<readonly Row[]> {
  await using ground = await openProxyGround()
  const ours = await startEmbedded(ground)
  const minimal = await startMinimal(ground)
  const caddy = await startCaddy(ground)
  const figures = await measureProxies(caddy === null ? [ours, minimal] : [ours, minimal, caddy], {
    rounds,
    seconds,
    connections,
  })
  return [
    ...compareRates(
      `requests through it, ${connections} connections, two upstreams`,
      leastShare,
      figures.map(({ who, rate }) => ({ who, value: rate })),
    ),
    ...compare(
      'memory under that load (proportional)',
      'MB',
      mostMegabytes,
      figures.map(({ who, megabytes }) => ({ who, value: megabytes })),
    ),
    ...figures.slice(0, 1).map(({ grown }) =>
      reportOne(`memory that it grew by, over ${grown.requests} requests`, grown.megabytes, 'MB', {
        target: mostGrown,
        goal: 'below',
      }),
    ),
  ]
}

/** From the build, by the very words with which the daemon starts it. */
async function startEmbedded(ground: ProxyGround): Promise<Proxy> {
  const state = join(ground.folder, 'state')
  mkdirSync(state, { mode: 0o700 })
  const port = await ground.freePort()
  const entry = join(root, 'dist/main/balancer.js')
  const balancer = createEmbeddedBalancer({ stateDirectory: state, node: process.execPath, entry })
  const upstreams = ground.upstreams.map((upstream, index) => makeUpstream(index, upstream))
  const { command, environment } = await balancer.prepare(table([listener(port)], [pool(upstreams)]))
  const { processes, ...proxy } = await ground.start('embedded balancer', port, command, environment)
  // Under root a parent that keeps the privileges, and a worker that does the work.
  const workers = processes.flatMap(({ pid }) => childrenOf(pid))
  return { ...proxy, processes: [...processes, ...workers] }
}

async function startMinimal(ground: ProxyGround): Promise<Proxy> {
  const port = await ground.freePort()
  const words = [port, ...ground.upstreams].map(String)
  const program = join(root, 'bench/peers/minimal-proxy.mjs')
  return await ground.start('minimal node:http proxy', port, [process.execPath, program, ...words])
}
