/** The entry of the thread in which a config is evaluated (`adapters/config-file/guarded.ts`). */

import { keepCompiledCode } from './process/compile-cache.ts'

// Threads do not inherit it.
keepCompiledCode()
const { serveLoad } = await import('../adapters/config-file/serve-load.ts')
await serveLoad({
  loadCron: async () => (await import('../adapters/croner/index.ts')).cronerCron,
  readSource: async (request) => (await import('./read-source.ts')).readSource(request),
})
