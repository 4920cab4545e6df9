/**
 * HAProxy as we drive it beside HAProxy as somebody writes it by hand with the same duties: what it costs that a table can say anything.
 * The least config of two upstreams, nginx and Caddy stand beside both.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createHaproxyBalancer } from '../src/adapters/haproxy/index.ts'
import { findHaproxy } from '../src/adapters/haproxy/find.ts'
import { root } from '../scripts/tree.ts'
import { listener, makeUpstream, pool, table, toPool, web } from '../test/support/balancer-bed.ts'
import { childrenOf, until } from '../test/processes.ts'
import { compare, compareRates, type Row } from './measure.ts'
import { hasProgram, measureProxies, openProxyGround, startCaddy, type Proxy, type ProxyGround } from './proxies.ts'

/** The first load asks for none of the domains in the tables: the longest way through ours, and through the one written by hand. */
const rounds = 7
const seconds = 3
const connections = 64
/** Of the hand-written config's rate. */
const leastShare = 0.95
const processorTime = 'processor time of 100,000 requests'

export async function balancer(): Promise<readonly Row[]> {
  const haproxy = findHaproxy()
  if (haproxy === null) throw new Error('HAProxy is what this is about: apt-get install haproxy')
  await using ground = await openProxyGround()
  const proxies = [
    await startOurs(ground, haproxy.path),
    await startByHand(ground, { haproxy: haproxy.path, name: 'HAProxy by hand', file: 'haproxy.cfg' }),
    await startByHand(ground, { haproxy: haproxy.path, name: 'the least HAProxy', file: 'haproxy-least.cfg' }),
    await startNginx(ground),
    await startCaddy(ground),
  ].filter((proxy) => proxy !== null)
  const load = { rounds, seconds, connections }
  const figures = await measureProxies(proxies, load)
  const byDomain = await measureProxies(proxies.slice(0, 3), { ...load, host: 'shop.example' })
  return [
    ...compareRates(
      `requests through it, ${connections} connections, two upstreams`,
      leastShare,
      figures.map(({ who, rate }) => ({ who, value: rate })),
    ),
    ...compareRates(
      'the same, for a domain of the table',
      leastShare,
      byDomain.map(({ who, rate }) => ({ who, value: rate })),
    ),
    ...compare(
      processorTime,
      's',
      null,
      figures.map(({ who, cpuSeconds }) => ({ who, value: cpuSeconds })),
    ),
    ...compare(
      `${processorTime}, for a domain of the table`,
      's',
      null,
      byDomain.map(({ who, cpuSeconds }) => ({ who, value: cpuSeconds })),
    ),
    ...compare(
      'memory under that load',
      'MB',
      null,
      figures.map(({ who, megabytes }) => ({ who, value: megabytes })),
    ),
  ]
}

/** By the very words with which the daemon starts it, with a few routes more than are asked for. */
async function startOurs(ground: ProxyGround, haproxy: string): Promise<Proxy> {
  const state = join(ground.folder, 'state')
  mkdirSync(state, { mode: 0o700 })
  const port = await ground.freePort()
  const upstreams = ground.upstreams.map((upstream, index) => makeUpstream(index, upstream))
  const action = toPool(web)
  const rules = [
    { domain: 'shop.example', path: '/api', action },
    { domain: 'shop.example', path: '/', action },
    { domain: '*.shop.example', path: '/', action },
    { domain: null, path: '/', action },
  ]
  const wanted = table([listener(port, { rules })], [pool(upstreams)])
  const { command, directory, environment } = await createHaproxyBalancer({ stateDirectory: state, haproxy }).prepare(wanted)
  const enter = ['sh', '-c', 'cd "$0" && exec "$@"', directory, ...command]
  return withChildren(await ground.start('daruma through HAProxy', port, enter, environment))
}

async function startByHand(
  ground: ProxyGround,
  peer: { readonly haproxy: string; readonly name: string; readonly file: string },
): Promise<Proxy> {
  const port = await ground.freePort()
  const [first, second] = ground.upstreams
  const words = [peer.haproxy, '-W', '-f', join(root, 'bench/peers', peer.file)]
  const environment = { PORT: String(port), FIRST: String(first), SECOND: String(second) }
  return withChildren(await ground.start(peer.name, port, words, environment))
}

async function startNginx(ground: ProxyGround): Promise<Proxy | null> {
  if (!hasProgram('nginx')) return null
  const port = await ground.freePort()
  const [first, second] = ground.upstreams
  const values: Readonly<Record<string, string | number>> = { FOLDER: ground.folder, PORT: port, FIRST: first, SECOND: second }
  const template = readFileSync(join(root, 'bench/peers/nginx.conf'), 'utf8')
  const file = join(ground.folder, 'nginx-proxy.conf')
  writeFileSync(
    file,
    template.replaceAll(/@([A-Z]+)@/g, (whole, name: string) => String(values[name] ?? whole)),
  )
  return withChildren(await ground.start('nginx', port, ['nginx', '-e', 'stderr', '-c', file]))
}

/** HAProxy and nginx work in children of what was started, which come a moment after the port is open. */
async function withChildren(proxy: Proxy): Promise<Proxy> {
  const workers = await until(`${proxy.name} has workers`, 5000, () => {
    const found = proxy.processes.flatMap(({ pid }) => childrenOf(pid))
    return found.length > 0 && found
  })
  return { ...proxy, processes: [...proxy.processes, ...workers] }
}
