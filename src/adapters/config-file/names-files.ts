/** Whether a service names files that must be looked into; what looks into them is loaded for no other. */

import type { Service } from '../../core/model/service.ts'

export function namesFiles({ container, routes }: Service): boolean {
  return (container !== null && container.image.from !== 'registry') || routes.some(({ tls }) => tls.kind === 'files')
}
