/** The one connection to the container engine that all projects of a machine share. */

import type { Images } from '../../ports/runtime/images.ts'
import type { Log } from '../../ports/log.ts'
import { Engine, type Limits, usualLimits } from './engine/engine.ts'
import { maxParallelStarts, StartTurns } from '../../system/start-turns.ts'
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
  /** The engine works on some at once and queues the rest; more only make each of them later. A retry may pull an image for minutes. */
  readonly starts: StartTurns
}

/** Asks nothing of anybody yet: the engine may be away. */
export function connectEngine(options: ConnectionOptions): EngineConnection {
  const { environment, log } = options
  const engine = new Engine({ environment, log, limits: { ...usualLimits, ...options.limits } })
  engine.listen(options.onEngine)
  const starts = new StartTurns({ limit: maxParallelStarts, retries: 'unbounded' })
  return { engine, images: createImages(engine), starts, [Symbol.dispose]: () => engine.close() }
}
