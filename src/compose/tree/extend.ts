/** `extends`: a service that begins as a copy of another, of this file or of another one. */

import { dirname, resolve } from 'node:path'
import { nearest } from '../../core/values/nearest.ts'
import { interpolateTree, type Variables } from './interpolate.ts'
import type { Ledger } from './ledger.ts'
import { readText, rebased } from './load.ts'
import { mergeMappings } from './merge.ts'
import { parseCompose } from './parse.ts'
import { get, type Mapping, textOf, type Tree } from './tree.ts'

export interface ExtendContext {
  readonly services: Mapping
  readonly variables: Variables
  readonly ledger: Ledger
  /** What a relative path without a file of its own begins at. */
  readonly directory: string
}

/** The service with everything that it extends; what was asked for twice in a circle is a problem. */
export async function extended(
  name: string,
  service: Mapping,
  context: ExtendContext,
  trail: readonly string[] = [],
): Promise<Mapping> {
  const wish = get(service, 'extends')
  if (wish === undefined) return service
  const { ledger, services } = context
  const path = ['services', name, 'extends']
  const own = new Map(service.entries)
  own.delete('extends')
  const rest = { ...service, entries: own }
  const from = textOf(wish) ?? textOf(get(wish, 'service'))
  if (from === undefined) {
    ledger.problem('E_COMPOSE_TYPE', wish.at, path, 'extends names no service', { allowed: '{ service, file }' })
    return rest
  }
  const fileName = textOf(get(wish, 'file'))
  const file = fileName === undefined ? null : resolve(dirname(wish.at.file), fileName)
  const step = `${file ?? ''}#${from}`
  if (trail.includes(step) || (file === null && from === name && trail.length === 0)) {
    ledger.problem('E_COMPOSE_CYCLE', wish.at, path, `${name} extends itself`)
    return rest
  }
  const source = file === null ? services : await servicesOf(file, wish, context)
  const base = source === null ? undefined : get(source, from)
  if (base?.kind !== 'mapping') {
    if (source !== null) {
      const known = [...source.entries.keys()]
      ledger.problem(
        'E_COMPOSE_UNKNOWN_SERVICE',
        wish.at,
        path,
        `there is no service ${from}${file === null ? '' : ` in ${file}`}`,
        { suggestion: nearest(from, known), allowed: known.join(', ') },
      )
    }
    return rest
  }
  const whole = await extended(from, base, { ...context, services: source ?? services }, [...trail, step])
  return mergeMappings(whole, rest)
}

async function servicesOf(file: string, asked: Tree, { variables, ledger, directory }: ExtendContext): Promise<Mapping | null> {
  const text = await readText(file, 'E_COMPOSE_MISSING', ledger, asked)
  const parsed = text === null ? null : parseCompose(text, file, ledger)
  if (parsed === null) return null
  const services = get(interpolateTree(parsed, variables, ledger), 'services')
  return services?.kind === 'mapping' ? rebased(services, directory, dirname(file)) : null
}
