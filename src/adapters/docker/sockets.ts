/**
 * Where a container engine may listen on this machine, and a first question that needs no library: a daemon that has never had a
 * container asks whether the engine holds one with its label, and loads nothing for it.
 */

import { existsSync } from 'node:fs'

import { request } from '../../host/node-http.ts'
import type { EngineFacts } from '../../ports/images.ts'
import { parseEngine, type RawInfo, type RawVersion } from './parse-engine.ts'

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

const pingLimitMs = 5000

/** Why no engine can be asked, as a sentence; null when one answers. */
export async function findEngineFault(environment: Readonly<Record<string, string | undefined>>): Promise<string | null> {
  const sockets = findSockets(environment)
  if (sockets.kind === 'unusable') return sockets.reason
  const present = sockets.paths.filter(existsSync)
  if (present.length === 0) return `there is no ${sockets.paths.join(' and no ')}`
  for (const socketPath of present) if ((await ask({ socketPath, path: '/_ping', limitMs: pingLimitMs })) !== null) return null
  return `nobody answers at ${present.join(' or ')}`
}

/** What the engine that would be used is; null when none answers. */
export async function examineEngine(environment: Readonly<Record<string, string | undefined>>): Promise<EngineFacts | null> {
  const sockets = findSockets(environment)
  if (sockets.kind === 'unusable') return null
  for (const socketPath of sockets.paths.filter(existsSync)) {
    const [info, version] = await Promise.all(
      ['/info', '/version'].map((path) => ask({ socketPath, path, limitMs: pingLimitMs })),
    )
    if (typeof info === 'string' && typeof version === 'string')
      return parseEngine(JSON.parse(info) as RawInfo, JSON.parse(version) as RawVersion, socketPath)
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
  const filters = encodeURIComponent(JSON.stringify({ label: [options.label] }))
  for (const socketPath of sockets.paths) {
    if (!existsSync(socketPath)) continue
    const found = await ask({ socketPath, path: `/containers/json?all=1&limit=1&filters=${filters}`, limitMs: options.limitMs })
    if (found !== null) return found.trim() !== '[]'
  }
  return false
}

function ask(options: { readonly socketPath: string; readonly path: string; readonly limitMs: number }): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>()
  const { socketPath, path } = options
  const signal = AbortSignal.timeout(options.limitMs)
  const asked = request({ socketPath, path, signal, headers: { Host: 'engine', Connection: 'close' } }, (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (part: string) => (text += part))
    response.on('end', () => resolve(response.statusCode === 200 ? text : null))
    response.on('error', () => resolve(null))
  })
  asked.on('error', () => resolve(null))
  asked.end()
  return promise
}
