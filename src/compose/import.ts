/**
 * From Compose files to the text of a config and the list of what it does not say. Nothing is written here. What the config's own reader
 * would refuse is taken out and listed like everything else, so that the text always loads.
 */

import { basename, dirname, relative, resolve } from 'node:path'
import type { LocatedProblem } from '../core/config/render-problems.ts'
import { literal, onOneLine } from '../proposal/literal.ts'
import { renderConfig } from '../proposal/render-config.ts'
import { type Proposed, settle } from '../proposal/settle.ts'
import type { Note } from './tree/ledger.ts'
import type { Place } from './tree/tree.ts'
import { readCompose, type ReadOptions } from './read.ts'

export interface ImportOptions extends ReadOptions {
  /** Where the config will stand; absolute. */
  readonly directory: string
  readonly hostMemoryBytes: number
  readonly isRoot: boolean
}

export type Imported =
  | {
      readonly ok: true
      /** The project's name, as the config says it. */
      readonly name: string
      readonly text: string
      readonly serviceCount: number
      readonly notes: readonly Note[]
    }
  | { readonly ok: false; readonly problems: readonly LocatedProblem[] }

export async function importFiles(options: ImportOptions): Promise<Imported> {
  const reading = await readCompose(options)
  if (!reading.ok) return reading
  const folder = dirname(resolve(options.cwd, options.files[0]!))
  const services = reading.services.map((service) => ({ ...service, written: moved(service.written, folder, options.directory) }))
  const { name, notes, anchors, placeOf } = reading
  const machine = { hostMemoryBytes: options.hostMemoryBytes, isRoot: options.isRoot }
  const settled = settle({ name, services, notes: [], ...machine }, options.directory)
  const origin = options.files.map((file) => basename(file)).join(' and ')
  const dotenv = reading.usesDotenv ? dotted(relative(options.directory, resolve(folder, '.env'))) : null
  const text = renderConfig({ name: settled.name, services: settled.services, origin, dotenv, anchors })
  const all = [
    ...withoutDoubles(notes),
    ...settled.services.flatMap((service) => refusedNotes(service, placeOf)),
    ...settled.dropped.flatMap((service) => droppedNotes(service, placeOf)),
  ]
  return { ok: true, name: settled.name, text, serviceCount: settled.services.length, notes: all.toSorted(byPlace) }
}

/** A file of variables that two services read has one line about it. */
function withoutDoubles(notes: readonly Note[]): readonly Note[] {
  const seen = new Set<string>()
  return notes.filter(({ at, path, message, instead }) => {
    const key = JSON.stringify([at, path.split('.').at(-1), message, instead])
    return !seen.has(key) && seen.add(key)
  })
}

const dotted = (path: string): string => (path.startsWith('.') ? path : `./${path}`)

/** The paths in a service, from the folder of the config. */
function moved(written: Readonly<Record<string, unknown>>, from: string, to: string): Readonly<Record<string, unknown>> {
  if (from === to) return written
  const move = (path: unknown): unknown =>
    typeof path === 'string' && !path.startsWith('/') ? dotted(relative(to, resolve(from, path))) : path
  const { image, secrets } = written as {
    readonly image?: unknown
    readonly secrets?: Readonly<Record<string, { readonly path?: unknown }>>
  }
  const isBuild = typeof image === 'object' && image !== null && 'build' in image
  return {
    ...written,
    ...(isBuild ? { image: { ...image, build: move(image.build) } } : {}),
    ...(secrets === undefined
      ? {}
      : {
          secrets: Object.fromEntries(
            Object.entries(secrets).map(([name, secret]) => [
              name,
              secret.path === undefined ? secret : { ...secret, path: move(secret.path) },
            ]),
          ),
        }),
  }
}

type PlaceOf = (service: string, key: string) => Place | null

function refusedNotes({ name, origin, refused, notes }: Proposed, placeOf: PlaceOf): readonly Note[] {
  const at = (where: string): Place | null => placeOf(origin, where.split('.', 1)[0]!)
  const renamed = notes.map((message): Note => ({
    at: at(''),
    path: `services.${name}`,
    message,
    instead: 'use the new name where others speak to it',
  }))
  const others = refused.map(({ where, value, message }): Note => ({
    at: at(where),
    path: `services.${name}.${where}`,
    message: `${literal(value, onOneLine)}: ${message}`,
    instead: 'docs/reference/config.md says what is accepted',
  }))
  return [...renamed, ...others]
}

function droppedNotes(service: Proposed, placeOf: PlaceOf): readonly Note[] {
  const at = placeOf(service.origin, '')
  const note: Note = {
    at,
    path: `services.${service.name}`,
    message: 'it is left out: what it runs cannot be said',
    instead: 'write it by hand',
  }
  return [note, ...refusedNotes(service, placeOf)]
}

function byPlace(left: Note, right: Note): number {
  if (left.at === null || right.at === null) return Number(left.at === null) - Number(right.at === null)
  return left.at.file === right.at.file ? left.at.line - right.at.line : 0
}
