/**
 * From what a worker has to what the table says, as commands. Pure. The order is the point: first whatever new may be needed, then
 * the maps, each at once, and only then is anything taken away; so between any two commands every request has a place to go.
 */

import type { UpstreamId } from '../../core/balance/table.ts'
import type { Command } from './conversation.ts'
import { renderMap, type MapEntry, type Maps } from './maps.ts'
import { upstreamOfServer } from './names.ts'
import type { ServerState } from './parse.ts'
import type { Server } from './servers.ts'

/** A command with what its answer must be: a pattern, or nothing at all. */
export interface Step {
  readonly command: Command
  readonly expected: RegExp
}

export interface Present {
  readonly servers: readonly ServerState[]
  readonly backends: ReadonlySet<string>
}

const silence = /^$/

/** What must be there before the maps may point to it. */
export function admit(present: Present, wanted: readonly Server[]): readonly Step[] {
  const there = new Map(present.servers.map((server) => [`${server.backend}/${server.name}`, server]))
  return wanted
    .filter(({ backend }) => present.backends.has(backend))
    .flatMap((server): Step[] => {
      const path = `${server.backend}/${server.name}`
      const now = there.get(path)
      if (now === undefined) return add(path, server)
      return now.isMaintained || now.isDrained ? [{ command: `set server ${path} state ready`, expected: silence }] : []
    })
}

/** What no request goes to any more: drained while the table names it, else on its way out. */
export function retire(
  present: Present,
  wanted: readonly Server[],
  draining: ReadonlySet<UpstreamId>,
): { readonly steps: readonly Step[]; readonly leaving: readonly string[] } {
  const stay = new Set(wanted.map(({ backend, name }) => `${backend}/${name}`))
  const steps: Step[] = []
  const leaving: string[] = []
  for (const server of present.servers) {
    const path = `${server.backend}/${server.name}`
    const upstream = upstreamOfServer(server.name)
    if (upstream === null || stay.has(path)) continue
    if (draining.has(upstream)) {
      if (!server.isDrained || server.isMaintained) steps.push({ command: `set server ${path} state drain`, expected: silence })
    } else {
      if (!server.isMaintained) steps.push({ command: `set server ${path} state maint`, expected: silence })
      leaving.push(path)
    }
  }
  return { steps, leaving }
}

function add(path: string, server: Server): Step[] {
  return [
    { command: `add server ${path} ${server.address} ${server.keywords}`, expected: /^New server registered\.$/ },
    ...(server.isWatched ? [{ command: `enable health ${path}`, expected: silence }] : []),
    { command: `enable server ${path}`, expected: silence },
  ]
}

/** The maps that differ, with what is in them now. */
export function differing(
  wanted: Maps,
  present: ReadonlyMap<string, readonly MapEntry[] | null>,
): readonly { readonly file: string; readonly entries: readonly MapEntry[] }[] {
  return [...wanted].flatMap(([file, entries]) => {
    const now = present.get(file) ?? null
    return now === null || renderMap(now) === renderMap(entries) ? [] : [{ file, entries }]
  })
}

/** Fills the version that `prepare map` has opened, and makes it the map. */
export const fillMap = (file: string, version: string, entries: readonly MapEntry[]): readonly Step[] => [
  ...inPieces(entries).map((piece): Step => ({
    command: { line: `add map @${version} ${file}`, payload: renderMap(piece) },
    expected: silence,
  })),
  { command: `commit map @${version} ${file}`, expected: silence },
]

/** A payload must fit into one of HAProxy's buffers, which hold 32 KiB at least. */
const maxPayloadBytes = 12 * 1024

function inPieces(entries: readonly MapEntry[]): readonly (readonly MapEntry[])[] {
  const pieces: MapEntry[][] = []
  let bytes = maxPayloadBytes
  for (const entry of entries) {
    const length = entry.key.length + entry.value.length + 2
    if (bytes + length > maxPayloadBytes) {
      pieces.push([])
      bytes = 0
    }
    pieces.at(-1)?.push(entry)
    bytes += length
  }
  return pieces
}
