/** The one connection to the container engine that all projects of a machine share. */

import type { Images } from '../../ports/images.ts'
import type { Log } from '../../ports/log.ts'
import { Engine, type Limits, usualLimits } from './engine/engine.ts'
import { createImages } from './images/images.ts'

export interface ConnectionOptions {
  /** Only DOCKER_HOST is read. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly log: Log
  /** The engine has gone, for this reason, or (null) is back: once each. */
  readonly onEngine: (fault: string | null) => void
  readonly limits?: Partial<Limits>
}

/** What is told of once when it is lost, and the images that come by it. */
export interface EngineConnection extends Disposable {
  readonly engine: Engine
  readonly images: Images
}

/** Asks nothing of anybody yet: the engine may be away. */
export function connectEngine(options: ConnectionOptions): EngineConnection {
  const { environment, log } = options
  const engine = new Engine({ environment, log, limits: { ...usualLimits, ...options.limits } })
  engine.listen(options.onEngine)
  return { engine, images: createImages(engine), [Symbol.dispose]: () => engine.close() }
}
