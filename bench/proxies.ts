/**
 * Proxies side by side: two upstreams that are faster than any of them (one nginx worker that answers from memory), and wrk with
 * keep-alive connections on loopback. Everything shares the machine's cores, so only the ratios say something.
 */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { makeWorkshop } from '../test/clean-up.ts'
import { identify, until, type ProcessId } from '../test/processes.ts'
import { cpuSecondsOf, median, memoryOf } from './measure.ts'
import { inOrder } from './side-by-side.ts'
import { freePort } from '../test/free-ports.ts'

export interface Proxy {
  readonly name: string
  readonly port: number
  /** What it runs as; each process of it. */
  readonly processes: readonly ProcessId[]
}

export interface ProxyGround extends AsyncDisposable {
  readonly folder: string
  readonly upstreams: readonly [number, number]
  freePort(): Promise<number>
  /** Starts a command and waits until the port is open. */
  start(name: string, port: number, command: readonly string[], environment?: Readonly<Record<string, string>>): Promise<Proxy>
}

export async function openProxyGround(): Promise<ProxyGround> {
  const folder = makeWorkshop()
  const children: ChildProcess[] = []
  const upstreams = [await freePort(), await freePort()] as const
  const ground: ProxyGround = {
    folder,
    upstreams,
    freePort,
    start: async (name, port, [program = '', ...words], environment = {}) => {
      const env = { ...process.env, ...environment }
      const child = spawn(program, words, { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] })
      children.push(child)
      let said = ''
      child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString('utf8')}`.slice(-2000)))
      await once(child, 'spawn')
      await until(`${name} listens on ${port}`, 15_000, () => isOpen(port)).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}\n${said}`, { cause: error })
      })
      const id = identify(child.pid ?? 0)
      if (id === null) throw new Error(`${name} has ended: ${said}`)
      return { name, port, processes: [id] }
    },
    [Symbol.asyncDispose]: async () => {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue
        child.kill('SIGTERM')
        await Promise.race([once(child, 'exit'), new Promise((resolve) => setTimeout(resolve, 5000))])
        child.kill('SIGKILL')
      }
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
  await ground.start('the upstreams', upstreams[1], nginxUpstreams(folder, upstreams))
  return ground
}

function nginxUpstreams(folder: string, ports: readonly number[]): readonly string[] {
  if (!hasProgram('nginx')) throw new Error('nginx serves the upstreams: apt-get install nginx')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((each) => `${each}_temp_path ${folder}/nginx;`)
  mkdirSync(join(folder, 'nginx'))
  writeFileSync(
    join(folder, 'nginx.conf'),
    `worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; ${temporary.join(' ')}
  server {
    ${ports.map((port) => `listen 127.0.0.1:${port};`).join(' ')}
    location / { default_type text/plain; return 200 "an answer of about sixty bytes, as short answers of an API are\\n"; }
  }
}
`,
  )
  return ['nginx', '-e', 'stderr', '-c', join(folder, 'nginx.conf')]
}

/** Caddy with the same upstreams and the same policy as ours; null where it is not installed. */
export async function startCaddy(ground: ProxyGround): Promise<Proxy | null> {
  if (!hasProgram('caddy')) {
    console.error('caddy is not installed (apt-get install caddy), so it is left out')
    return null
  }
  const port = await ground.freePort()
  const file = join(ground.folder, 'Caddyfile')
  const upstreams = ground.upstreams.map((upstream) => `127.0.0.1:${upstream}`).join(' ')
  writeFileSync(
    file,
    `{\n  admin off\n  auto_https off\n  log {\n    level ERROR\n  }\n}\nhttp://127.0.0.1:${port} {\n  reverse_proxy ${upstreams} {\n    lb_policy least_conn\n  }\n}\n`,
  )
  const words = ['caddy', 'run', '--adapter', 'caddyfile', '--config', file]
  return await ground.start('Caddy', port, words, {
    HOME: ground.folder,
    XDG_CONFIG_HOME: ground.folder,
    XDG_DATA_HOME: ground.folder,
  })
}

export const hasProgram = (name: string): boolean => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0

export interface ProxyFigures {
  readonly who: string
  /** Requests a second: the median of the rounds. */
  readonly rate: number
  /** Of the proxy's processes for 100,000 requests, user and system together: the median of the rounds. */
  readonly cpuSeconds: number
  /** Proportional (what processes share is counted once): the largest that was seen after a round. */
  readonly megabytes: number
  /** From after the first round to after the last, and the requests between them. */
  readonly grown: { readonly megabytes: number; readonly requests: number }
}

interface Load {
  readonly seconds: number
  readonly connections: number
  /** Whom the requests ask for; without it the address. */
  readonly host?: string
}

/** Each proxy in each round, in alternating order; the round before the first only warms up. */
export async function measureProxies(
  proxies: readonly Proxy[],
  options: Load & { readonly rounds: number },
): Promise<readonly ProxyFigures[]> {
  const rates = new Map(proxies.map((proxy) => [proxy, [] as number[]]))
  const times = new Map(proxies.map((proxy) => [proxy, [] as number[]]))
  const sizes = new Map(proxies.map((proxy) => [proxy, [] as number[]]))
  for (const proxy of proxies) await load(proxy, { ...options, seconds: 2 })
  for (let round = 0; round < options.rounds; round += 1)
    for (const proxy of inOrder(proxies, round)) {
      const before = cpuSecondsOf(proxy.processes)
      const { rate, requests } = await load(proxy, options)
      rates.get(proxy)?.push(rate)
      times.get(proxy)?.push(((cpuSecondsOf(proxy.processes) - before) / requests) * 100_000)
      sizes.get(proxy)?.push(memoryOf(proxy.processes).proportional)
    }
  return proxies.map((proxy) => {
    const [own, sampled] = [rates.get(proxy) ?? [], sizes.get(proxy) ?? []]
    const requests = own.slice(1).reduce((sum, rate) => sum + rate * options.seconds, 0)
    return {
      who: proxy.name,
      rate: median(own),
      cpuSeconds: median(times.get(proxy) ?? []),
      megabytes: Math.max(...sampled),
      grown: { megabytes: (sampled.at(-1) ?? 0) - (sampled[0] ?? 0), requests: Math.round(requests) },
    }
  })
}

/** By wrk. A single failed request makes the figures worthless, and is thrown. */
async function load(proxy: Proxy, { seconds, connections, host }: Load): Promise<{ rate: number; requests: number }> {
  const header = host === undefined ? [] : ['-H', `Host: ${host}`]
  const url = `http://127.0.0.1:${proxy.port}/`
  const words = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '15s', ...header, url]
  const wrk = spawn('wrk', words, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  wrk.stdout.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')))
  const [code] = (await once(wrk, 'close')) as [number | null]
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(said)?.[1])
  const requests = Number(/(\d+) requests in/.exec(said)?.[1])
  if (code !== 0 || !(rate > 0) || /Non-2xx|Socket errors/.test(said)) throw new Error(`${proxy.name}: ${said}`)
  return { rate, requests }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
