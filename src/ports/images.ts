/** Brings images to this host, so that a start finds them there. Made before anything that runs is given up for them. */

import type { Container } from '../core/model/service.ts'
import type { ServiceName } from '../core/model/id.ts'

export interface ImageRequest {
  readonly service: ServiceName
  readonly container: Container
  /** The registry's password in clear; null where none is needed. Neither logged nor recorded. */
  readonly password: string | null
}

export interface Images {
  /**
   * Pulls, loads or builds, unless it is already here. `onProgress` gets sentences for a person ("pulling, 34 of 120 MB"), at most
   * some a second. Rejects with a `DarumaError`: `E_ENGINE_AWAY`, `E_IMAGE_UNKNOWN`, `E_IMAGE_DENIED`, `E_IMAGE_UNREACHABLE`,
   * `E_IMAGE_ARCHITECTURE`, `E_IMAGE_ARCHIVE`, `E_IMAGE_BUILD`.
   */
  ensure(request: ImageRequest, onProgress: (message: string) => void): Promise<void>
  /** Why no container can be started here, as a sentence; null when the engine answers. Looks at most once a second. */
  findFault(): Promise<string | null>
}
