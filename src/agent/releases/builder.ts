/**
 * Runs a build. It is no instance: nobody adopts it, and a daemon that finds one ends it and builds again. But it has a slot and an epoch
 * like one, so that never two of them run, and that its end is the end of everything it has started.
 */

import { launchWords } from '../../core/model/shell-command.ts'
import type { Epoch } from '../../core/model/id.ts'
import { asEpoch, startsPerClaim } from '../../core/model/id.ts'
import type { Build, Service } from '../../core/model/service.ts'
import { describeExit } from '../../core/model/status.ts'
import type { Clock } from '../../ports/clock.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Log } from '../../ports/log.ts'
import type { TreeRequest } from '../../core/release/tree-request.ts'
import type { Releases } from '../../ports/runtime/releases.ts'
import type { Discovery, InstanceRef, Runtime, RuntimeEvent } from '../../ports/runtime/runtime.ts'
import type { StateDirectory } from '../../ports/storage/state-directory.ts'
import type { ErrandRunner } from '../errand.ts'
import { hostEnvironment } from '../slots/environment.ts'
import { buildSlot } from '../../core/model/errand-slots.ts'

export interface BuilderOptions {
  readonly runtime: Runtime
  readonly releases: Releases
  readonly clock: Clock
  readonly directory: StateDirectory
  readonly log: Log
  readonly facts: { readonly home: (user: string | null) => string | Promise<string>; readonly nodeDirectory: string }
}

/** A process in uninterruptible sleep may outlive its kill; the build has failed all the same. */
const killLimitMs = 5000
const maxLogBytes = 10 * 1024 * 1024

/**
 * Times in what a build makes are this one where the tool handles it (reproducible-builds.org): Python's compiled files then name contents
 * and not times, which a shared file does not keep. 1980: ZIP knows none before.
 */
const sourceDateEpoch = '315532800'

export class Builder implements ErrandRunner {
  readonly #options: BuilderOptions
  #lastEpoch: Epoch = asEpoch(startsPerClaim)
  #running: { readonly instance: InstanceRef; readonly take: (event: RuntimeEvent) => void } | null = null

  constructor(options: BuilderOptions) {
    this.#options = options
  }

  /** Ends what a former daemon was building. */
  async load(discovery: Discovery): Promise<void> {
    this.#lastEpoch = asEpoch(Math.max(this.#lastEpoch, discovery.lastEpochs.get(buildSlot) ?? 0))
    for (const occupant of discovery.occupants) {
      if (occupant.slot !== buildSlot || occupant.state !== 'running') continue
      await this.#kill(occupant)
    }
  }

  take(event: RuntimeEvent): void {
    if (event.slot === buildSlot && this.#running?.instance.epoch === event.epoch) this.#running.take(event)
  }

  /** Rejects with `E_RELEASE_BUILD`; its last lines are then in the slot's log. */
  async build(service: Service, request: TreeRequest, build: Build): Promise<void> {
    const { runtime, releases } = this.#options
    const user = service.runs.user
    await runtime.forget(buildSlot)
    const path = await releases.prepareBuild(request, user)
    const instance: InstanceRef = { slot: buildSlot, epoch: asEpoch(this.#lastEpoch + 1) }
    this.#lastEpoch = instance.epoch
    const end = Promise.withResolvers<string | null>()
    this.#running = { instance, take: (event) => settle(event, end.resolve) }
    const isLate = this.#options.clock.after(build.timeoutMs, () => {
      end.resolve(`it took longer than ${build.timeoutMs / 1000} s`)
    })
    try {
      const refusal = await runtime.start({
        ...instance,
        runs: {
          kind: 'process',
          command: this.#wordsOf(build, user),
          directory: '',
          user,
          tree: { path, isWritable: true },
        },
        environment: await this.#environment(service),
        ulimits: {},
        limits: { cpuCores: build.cpuCores, memoryBytes: build.memoryBytes, pids: build.pids },
        secretFiles: {},
        volumes: user === null ? [] : [{ name: homeOf(user), target: null }],
        maxLogBytes,
        note: '{}',
        isRetry: false,
      })
      const failure = refusal === null ? await end.promise : whyRefused(refusal)
      if (failure !== null) throw failed(build, failure)
      await releases.sealBuild(request)
    } finally {
      isLate.cancel()
      this.#running = null
      // After a limit, or where the daemon is ending: nothing of it may write any more.
      await this.#kill(instance)
      await releases.dropBuild(request).catch((error: unknown) => this.#options.log.write('warn', `build: ${String(error)}`))
    }
  }

  get isBusy(): boolean {
    return this.#running !== null
  }

  /** The daemon ends: what it was building is built again by the next one. */
  close(): void {
    const running = this.#running
    if (running === null) return
    running.take({ kind: 'refused', ...running.instance, refusal: { kind: 'failed', message: 'the daemon is ending' } })
  }

  async #kill(instance: InstanceRef): Promise<void> {
    await this.#options.runtime
      .kill(instance, killLimitMs)
      .catch((error: unknown) => this.#options.log.write('error', `build: ${String(error)}`))
  }

  async #environment(service: Service): Promise<Readonly<Record<string, string>>> {
    const { directory, facts } = this.#options
    const { user } = service.runs
    const home = user === null ? {} : { [homeVariable]: await directory.ensureVolume(homeOf(user), user) }
    return {
      ...hostEnvironment({ user, nodeDirectory: facts.nodeDirectory, home: await facts.home(user) }),
      ...home,
      CI: 'true',
      SOURCE_DATE_EPOCH: sourceDateEpoch,
      DARUMA_SERVICE: service.name,
    }
  }

  /** Users of services often have no home that they may write, and every package manager wants one for its cache. */
  #wordsOf({ command }: Build, user: string | null): readonly string[] {
    const words = launchWords(command, 'SIGTERM')
    return user === null ? words : ['/bin/sh', '-c', `HOME=$${homeVariable}; export HOME; exec "$@"`, 'sh', ...words]
  }
}

const homeVariable = 'DARUMA_VOLUME_BUILD_HOME'
const homeOf = (user: string): string => `@build-${user}`

function settle(event: RuntimeEvent, resolve: (failure: string | null) => void): void {
  if (event.kind === 'refused') resolve(whyRefused(event.refusal))
  if (event.kind !== 'gone') return
  const isGood = event.exit.kind === 'code' && event.exit.code === 0
  resolve(isGood ? null : `it ${describeExit(event.exit)}`)
}

function whyRefused(refusal: Extract<RuntimeEvent, { readonly kind: 'refused' }>['refusal']): string {
  if (refusal.kind === 'occupied')
    return `another build cannot be ended: ${refusal.holders.map(({ pid }) => `pid ${pid}`).join(', ')}`
  if (refusal.kind === 'superseded') return 'a newer build has begun'
  return refusal.message
}

function failed({ command }: Build, why: string): DarumaError {
  const text = command[0] === '/bin/sh' && command[1] === '-c' ? command.slice(2).join(' ') : command.join(' ')
  return new DarumaError('E_RELEASE_BUILD', `The build "${text.slice(0, 200)}" failed: ${why}.`, {
    hint: '`daruma logs @build` has all that it said.',
  })
}
