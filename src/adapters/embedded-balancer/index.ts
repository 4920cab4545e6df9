/**
 * The balancer for a machine with nothing installed: a process of its own on Node, driven over a unix socket. HTTP/1.1, WebSocket and raw
 * TCP; no HTTP/2, which HAProxy has. This file is the daemon's side of it and loads none of the other.
 */

import { mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RoutingTable } from '../../core/balance/table.ts'
import { request } from '../../system/node-http.ts'
import type { Balancer, BalancerObservation, BalancerProgram } from '../../ports/traffic/balancer.ts'
import { away, notUnderstood, portsTaken, unusableCertificate } from './errors.ts'
import { controlAddress, tableFile } from './files.ts'
import type { Shortfall } from './control.ts'
import type { Counters } from './requests/traffic.ts'

export interface EmbeddedBalancerOptions {
  readonly stateDirectory: string
  /** The program that runs `entry`. */
  readonly node: string
  /** The process's file; `main/balancer` of this installation when nothing is said. */
  readonly entry?: string
}

/**
 * For less memory, which is promised to stay below 100 MB: a young half of the heap that is small but not so small that a request outlives
 * it, an old half that is swept from its first 10 MB on and in small steps, and of the compilers the one that needs little, for undici's
 * parser, and none beside the program, whose jobs pile up on a machine that has no core for it. None of them is a limit.
 */
const nodeOptions = [
  '--min-semi-space-size=2',
  '--max-semi-space-size=2',
  '--initial-old-space-size=10',
  '--heap-growing-percent=10',
  '--liftoff-only',
  '--no-concurrent-recompilation',
] as const
/** The daemon asks every second or so: who has not answered by then is as good as away. */
const answerMs = 10_000

export function createEmbeddedBalancer(options: EmbeddedBalancerOptions): Balancer {
  const directory = join(options.stateDirectory, 'balancer')
  const entry = options.entry ?? defaultEntry()
  const program: BalancerProgram = {
    command: [options.node, ...nodeOptions, entry, directory],
    directory,
    // Each thread's own arena of the C library would keep some megabytes forever.
    environment: { MALLOC_ARENA_MAX: '1' },
  }
  const check = certificateCheck()
  // The last one asked for is the last one written and sent.
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const done = last.then(work)
    last = done.catch(() => undefined)
    return done
  }
  return {
    kind: 'embedded',
    prepare: (table) =>
      inTurn(async () => {
        await check(table)
        await writeTable(directory, table)
        return program
      }),
    apply: (table) =>
      inTurn(async () => {
        // Before anything is written or told: what is applied stays.
        await check(table)
        await apply(directory, table)
      }),
    observe: async () => observation((await ask(directory, 'GET', '/counters')) as Counters),
  }
}

async function apply(directory: string, table: RoutingTable): Promise<void> {
  await writeTable(directory, table)
  const { ports, certificates } = (await ask(directory, 'PUT', '/table', JSON.stringify(table))) as Shortfall
  if (certificates[0] !== undefined) throw unusableCertificate(certificates[0])
  if (ports.length > 0) throw portsTaken(ports)
}

/** From sources it is TypeScript, from a build JavaScript: what this file is. */
function defaultEntry(): string {
  return fileURLToPath(new URL(`../../main/balancer${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))
}

/** Looks at each certificate once, and loads what knows about TLS only where there is one. */
function certificateCheck(): (table: RoutingTable) => Promise<void> {
  let checked: ReadonlySet<string> = new Set()
  return async ({ certificates }) => {
    const wanted = new Set(certificates.map(({ file, digest }) => `${digest} ${file}`))
    for (const certificate of certificates) {
      const { file, digest } = certificate
      if (checked.has(`${digest} ${file}`)) continue
      const { loadContext, readPemFile } = await import('./clients/certificates.ts')
      try {
        loadContext(readPemFile(certificate))
      } catch (error) {
        throw unusableCertificate(`${file}: ${(error as Error).message}`)
      }
    }
    checked = wanted
  }
}

/** Whole or not at all, also when the power goes. */
async function writeTable(directory: string, table: RoutingTable): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const file = tableFile(directory)
  {
    await using handle = await open(`${file}.new`, 'w', 0o600)
    await handle.writeFile(JSON.stringify(table))
    await handle.sync()
  }
  await rename(`${file}.new`, file)
}

async function ask(directory: string, method: string, path: string, body?: string): Promise<unknown> {
  const { status, text } = await send(directory, method, path, body).catch((error: unknown) => {
    throw away(error)
  })
  const answer = JSON.parse(text) as unknown
  if (status === 200) return answer
  throw notUnderstood((answer as { problem: string }).problem)
}

async function send(
  directory: string,
  method: string,
  path: string,
  body?: string,
): Promise<{ readonly status: number; readonly text: string }> {
  using address = controlAddress(directory)
  const { path: socketPath } = address
  return await new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path, agent: false, signal: AbortSignal.timeout(answerMs) }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }))
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

function observation({ pools, upstreams, connections, refused }: Counters): BalancerObservation {
  return { pools: new Map(pools), upstreams: new Map(upstreams), connections, refused }
}
