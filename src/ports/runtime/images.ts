/** Brings images to this host, so that a start finds them there. Made before anything that runs is given up for them. */

import type { Container } from '../../core/model/service.ts'
import type { ServiceName } from '../../core/model/id.ts'
import { DarumaError } from '../error.ts'

export interface ImageRequest {
  readonly project: string
  readonly service: ServiceName
  readonly container: Container
  /** The registry's password in clear; null where none is needed. Neither logged nor recorded. */
  readonly password: string | null
}

/** In words that `doctor` prints. */
export interface EngineFacts {
  readonly name: 'docker' | 'podman'
  readonly version: string
  /** Where it was found. */
  readonly socket: string
  readonly storage: string
  readonly cgroups: string
  /** Whether containers outlive the engine's own restart; null where the engine has no such choice. */
  readonly liveRestore: boolean | null
  /** What makes Podman's networks: `netavark` has a name server, `cni` seldom. Absent where that is not known, or is no question. */
  readonly network?: string
}

export interface Images {
  /**
   * Pulls, loads or builds, unless it is already here. `onProgress` gets sentences for a person ("pulling, 34 of 120 MB"), at most
   * some a second. Rejects with a `DarumaError`: `E_ENGINE_AWAY`, `E_IMAGE_UNKNOWN`, `E_IMAGE_DENIED`, `E_IMAGE_UNREACHABLE`,
   * `E_IMAGE_ARCHITECTURE`, `E_IMAGE_ARCHIVE`, `E_IMAGE_BUILD`.
   */
  ensure(request: ImageRequest, onProgress: (message: string) => void): Promise<void>
  /** What the engine is; null when none answers. */
  examine(): Promise<EngineFacts | null>
  /** Why no container can be started here, as a sentence; null when the engine answers. Looks at most once a second. */
  findFault(): Promise<string | null>
}

/** `E_ENGINE_AWAY`, said alike by the plan, the start and the preparation. */
export function engineAway(service: ServiceName, fault: string): DarumaError {
  return new DarumaError('E_ENGINE_AWAY', `${service} runs from an image, and no container engine answers: ${fault}.`, {
    hint: 'Install one (apt install docker.io, or podman) or start it; daruma doctor says what it finds.',
  })
}
