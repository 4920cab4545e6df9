/**
 * Where a container engine may listen on this machine, and the questions that need no more than a socket: a daemon that has never had a
 * container asks whether the engine holds one with its label, `plan` and `doctor` ask what it is.
 */

import { existsSync } from 'node:fs'

import type { EngineFacts } from '../../../ports/runtime/images.ts'
import { EngineClient } from './client.ts'
import { parseEngine } from './parse-engine.ts'

/** Docker before Podman where both are installed; DOCKER_HOST, the variable of both their clients, decides alone. */
const usualSockets: readonly string[] = ['/var/run/docker.sock', '/run/podman/podman.sock']

export type Sockets =
  | { readonly kind: 'sockets'; readonly paths: readonly string[] }
  | { readonly kind: 'unusable'; readonly reason: string }

/** Pure but for the environment that is passed. An engine of another machine is refused: what it runs could not be watched from here. */
export function findSockets(environment: Readonly<Record<string, string | undefined>>): Sockets {
  const host = environment['DOCKER_HOST'] ?? ''
  if (host === '') return { kind: 'sockets', paths: usualSockets }
  const path = host.startsWith('unix://') ? host.slice('unix://'.length) : host
  if (path.startsWith('/')) return { kind: 'sockets', paths: [path] }
  return {
    kind: 'unusable',
    reason: `DOCKER_HOST is ${host}, and only a socket of this machine will do (unix:///run/docker.sock)`,
  }
}

const askLimitMs = 5000

/** Why no engine can be asked, as a sentence; null when one answers. */
export async function findEngineFault(environment: Readonly<Record<string, string | undefined>>): Promise<string | null> {
  const sockets = findSockets(environment)
  if (sockets.kind === 'unusable') return sockets.reason
  const present = sockets.paths.filter(existsSync)
  if (present.length === 0) return `there is no ${sockets.paths.join(' and no ')}`
  for (const path of present) if (await answers(new EngineClient(path), askLimitMs)) return null
  return `nothing answers at ${present.join(' or ')}`
}

/** What the engine that would be used is; null when none answers. */
export async function examineEngine(environment: Readonly<Record<string, string | undefined>>): Promise<EngineFacts | null> {
  const sockets = findSockets(environment)
  if (sockets.kind === 'unusable') return null
  for (const path of sockets.paths.filter(existsSync)) {
    const client = new EngineClient(path)
    const signal = AbortSignal.timeout(askLimitMs)
    const facts = await Promise.all([client.info(signal), client.version(signal)]).catch(() => null)
    if (facts === null) continue
    const engine = parseEngine(...facts, path)
    const network =
      engine.name === 'podman' ? await client.networkBackend(AbortSignal.timeout(askLimitMs)).catch(() => null) : null
    return network === null ? engine : { ...engine, network }
  }
  return null
}

/** False also where no engine answers in time: then nothing recorded here says that it should. */
export async function hasLabelledContainers(options: {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly label: string
  readonly limitMs: number
}): Promise<boolean> {
  const sockets = findSockets(options.environment)
  if (sockets.kind === 'unusable') return false
  for (const path of sockets.paths.filter(existsSync)) {
    const signal = AbortSignal.timeout(options.limitMs)
    const found = await new EngineClient(path).listContainers({ label: [options.label] }, { limit: 1, signal }).catch(() => null)
    if (found !== null) return found.length > 0
  }
  return false
}

export function answers(client: EngineClient, limitMs: number): Promise<boolean> {
  return client.ping(AbortSignal.timeout(limitMs)).then(
    () => true,
    () => false,
  )
}
