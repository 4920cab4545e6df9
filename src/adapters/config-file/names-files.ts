/** Whether a service names files that must be looked into; what looks into them is loaded for no other. */

import type { Service } from '../../core/model/service.ts'

export function namesFiles({ runs, routes, envFile }: Service): boolean {
  if (envFile.length > 0) return true
  if (runs.kind === 'process' && runs.source !== null) return true
  return (runs.kind === 'container' && runs.image.from !== 'registry') || routes.some(({ tls }) => tls.kind === 'files')
}
