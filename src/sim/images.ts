/** Images of a machine on which all are there after a moment, but for `nowhere`. */

import { DarumaError } from '../ports/error.ts'
import type { Images } from '../ports/runtime/images.ts'

export function simulatedImages(pass: () => Promise<void>): Images {
  return {
    ensure: async ({ container }, say) => {
      await pass()
      say('pulling')
      await pass()
      if (container.image.from === 'registry' && container.image.reference === 'nowhere')
        throw new DarumaError('E_IMAGE_UNKNOWN', 'there is no such image')
    },
    examine: async () => null,
    findFault: async () => null,
  }
}
