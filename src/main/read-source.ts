/** Reads a folder into a release; what it read last time is kept in the user's cache, by folder. */

import { join } from 'node:path'
import { readSource as read } from '../adapters/source/index.ts'
import type { SourceAnswer, SourceRequest } from '../ports/runtime/source.ts'

export async function readSource(request: SourceRequest): Promise<SourceAnswer> {
  const { HOME: home = '', XDG_CACHE_HOME: caches = '' } = process.env
  const base = caches.startsWith('/') ? caches : home.startsWith('/') ? join(home, '.cache') : null
  return read({ ...request, cacheDirectory: base === null ? null : join(base, 'daruma') })
}
