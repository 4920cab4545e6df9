/**
 * What the commands need of the world besides the daemon, as an interface: `main` passes the real ones, so the command line
 * never imports an adapter. Each is loaded only when it is called: `status` must not pay for the config's parser.
 */

import type { LocatedProblem } from '../core/config/render-problems.ts'
import type { Problem } from '../core/values/problem.ts'
import type { Project, Service } from '../core/model/service.ts'
import type { ReadRelease, SourceAnswer, SourceRequest, SourceWatchOptions } from '../ports/runtime/source.ts'
import type { Obstacle } from '../core/plan/obstacles.ts'
import type { DoctorAnswer, SecretValues } from '../protocol/api.ts'
import type { FormerState, ProjectOfConfig } from '../protocol/former-states.ts'

export interface Tools {
  /** The config that a command in `cwd` means, absolute: `file` as given, else the nearest upwards. Null where there is none. */
  findConfig(options: { readonly file: string | null; readonly cwd: string }): Promise<string | null>
  /** Evaluates the config. Refusals are values, located in the file. */
  loadConfig(options: LoadConfigOptions): Promise<LoadedConfig>
  /** Reads a folder into a release, as `loadConfig` does. */
  readSource(request: SourceRequest): Promise<SourceAnswer>
  /** Watches folders until it is disposed of. */
  watchSources(options: SourceWatchOptions): Promise<Disposable>
  /** Reads every secret from its source. Problems name the secret, never a value. */
  resolveSecrets(project: Project, environment: Readonly<Record<string, string | undefined>>): Promise<ResolvedSecrets>
  /** Starts a detached, supervised daemon; resolves when it was spawned, not when it answers. */
  launchDaemon(options: { readonly state: string; readonly node: string; readonly entry: string }): Promise<void>
  /** Runs the daemon here until it is asked to end; resolves to the exit code. */
  runDaemon(options: { readonly state: string; readonly takeOver: boolean }): Promise<number>
  /** Why no container can be started on this machine, as a sentence; null when an engine answers. */
  findEngineFault(): Promise<string | null>
  /** What will keep services from starting, looked at without starting anything. */
  preflight(options: PreflightOptions): Promise<readonly Obstacle[]>
  /** State directories below this one, as earlier versions made them for each project; by the kernel alone. */
  listFormerStates(state: string): Promise<readonly FormerState[]>
  /** Those of one project, and whether it may run there. */
  findFormerStates(state: string, project: ProjectOfConfig): Promise<readonly FormerState[]>
  /** What this machine can promise, looked at without a daemon. */
  inspectMachine(state: string): Promise<DoctorAnswer>
  /** Shows an address in the user's browser; resolves to whether there is something that can. */
  openBrowser(url: string): Promise<boolean>
  readonly systemd: SystemdTools
}

export interface PreflightOptions {
  /** Those that are to be started again. */
  readonly services: readonly Service[]
  readonly project: Project
  /** Of our own instances: a port that they hold is no obstacle. */
  readonly ownPids: readonly number[]
  /** Null where none runs: the command will start it. */
  readonly daemonPid: number | null
}

export interface LoadConfigOptions {
  readonly file: string
  readonly stage: string | null
  readonly cwd: string
  /** Whether the files that it names are looked into, and their digests are in the project. */
  readonly files: 'read' | 'leave'
  /** How long the config's own code may run. */
  readonly limitMs: number
  /** Called once when it takes long. */
  readonly onSlow: (elapsedMs: number) => void
}

export type LoadedConfig =
  | {
      readonly ok: true
      readonly file: string
      readonly project: Project
      readonly warnings: readonly string[]
      /** What was read of the folders that services have as their source. */
      readonly releases?: readonly ReadRelease[]
    }
  | { readonly ok: false; readonly file: string | null; readonly problems: readonly LocatedProblem[] }

export type ResolvedSecrets =
  | { readonly ok: true; readonly values: SecretValues; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export interface SystemdTools {
  /** Whether systemd is this machine's init. */
  isRunning(): boolean
  /** `systemctl ARGUMENTS`; throws `E_SYSTEMD` with what it printed. */
  control(words: readonly string[]): Promise<string>
  /** Where unit files of the administrator are. */
  readonly unitDirectory: string
}
