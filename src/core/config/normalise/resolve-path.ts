/** Paths of a config, from its folder: the core has no Node. */

import type { SecretSource } from '../../model/service.ts'
import type { ConfigContext } from '../config-context.ts'

/** POSIX path resolution without Node: `base` is absolute, `path` may be; `.`, `..` and doubled slashes go. */
export function resolvePath(base: string, path: string): string {
  const whole = path.startsWith('/') ? path : `${base}/${path}`
  const parts: string[] = []
  for (const part of whole.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}

/** A program given by a relative path (`./get-secret`) stands beside the config, like a file. */
export function resolveSource(source: SecretSource, { directory }: Pick<ConfigContext, 'directory'>): SecretSource {
  if (source.from === 'file') return { ...source, path: resolvePath(directory, source.path) }
  const program = source.from === 'command' ? source.command[0] : undefined
  if (source.from !== 'command' || program === undefined || !program.startsWith('.')) return source
  return { ...source, command: [resolvePath(directory, program), ...source.command.slice(1)] }
}
