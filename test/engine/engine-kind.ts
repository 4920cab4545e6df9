/** What a test asks of an engine whatever it is, so that Docker and Podman pass the same ones. */

import type { TestContext } from 'node:test'

import { LabEngine, needsEngine } from './lab-engine.ts'
import { LabPodman, needsPodman } from './lab-podman.ts'

export interface TestEngine extends AsyncDisposable {
  readonly folder: string
  readonly socket: string
  /** Small questions take it seconds, on a busy machine. */
  readonly isSlow: boolean
  /** For the daemon under test. */
  readonly environment: Readonly<Record<string, string>>
  /** This machine as the engine itself reaches it. */
  readonly hostAddress: string
  readonly ping: () => Promise<boolean>
  /** As a crash does: what it runs goes on, or does not. */
  readonly kill: () => Promise<void>
  readonly run: () => Promise<void>
  /** Docker's own client, which speaks with both. */
  readonly docker: (...words: readonly string[]) => string
  /** A program of this machine where the engine's published ports are. */
  readonly inside: (...words: readonly string[]) => string
}

export interface EngineKind {
  readonly name: 'docker' | 'podman'
  /** A reason, or false. */
  readonly skip: string | false
  readonly start: () => Promise<TestEngine>
}

/** How a contract's tests are made: by the file that asks for them, so that they are that file's. */
export type Testing = (title: string, body: (t: TestContext) => Promise<void>) => void

export const onDocker: EngineKind = { name: 'docker', skip: needsEngine, start: () => LabEngine.start() }
export const onPodman: EngineKind = { name: 'podman', skip: needsPodman, start: () => LabPodman.start() }
