/**
 * `daruma dev`: the config brought up in front, and applied again whenever its files change. It is an `up` for each change, by the daemon of a
 * state of its own, so that it never meets what `up` has brought up of the same config. What a newcomer would get wrong: a program that runs
 * in place has no release that could differ, so a change of its files is a restart.
 */

import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

import type { ServiceName } from '../../../core/model/id.ts'
import { devMark } from '../../../host/dev-state.ts'
import { DarumaError } from '../../../ports/error.ts'
import type { WatchLimit } from '../../../ports/runtime/source.ts'
import { stateNotWritable } from '../../../ports/storage/state-directory.ts'
import type { OperationRequest } from '../../../protocol/api.ts'
import { makeStateFolder } from '../../../system/state-folder.ts'
import { makePlan, type PlannedChange, refuseObstacles } from '../../config/planned-change.ts'
import type { Context } from '../../context.ts'
import type { Client } from '../../daemon/client.ts'
import { connect, connectStarted } from '../../daemon/connect.ts'
import { holdState } from '../../daemon/dev-lock.ts'
import { devStateOf } from '../../daemon/dev-state.ts'
import { handOver } from '../../daemon/hand-over.ts'
import { interrupted, operate, request, watchOperation } from '../../daemon/operation.ts'
import { requester } from '../../daemon/requester.ts'
import { stopDaemon } from '../../daemon/stop-daemon.ts'
import { deliverReleases } from '../../releases/deliver.ts'
import { renderError } from '../../render/failure.ts'
import { LogLines } from '../../render/log.ts'
import { followLogs, knownSlots } from '../../screen/follow-logs.ts'
import type { Invocation } from '../../tree/invocation.ts'
import { Changes, type Watched } from './changes.ts'
import { printPlan } from './plan.ts'

export async function dev(context: Context, invocation: Invocation): Promise<number> {
  const file = await context.tools.findConfig({ file: invocation.text('file'), cwd: context.cwd })
  if (file === null) throw new DarumaError('E_CONFIG_MISSING', `No daruma.config.ts in ${context.cwd} or above it.`)
  const state = devStateOf(context, invocation, file)
  using _lock = await holdState(state, context.pid)
  using ends = new Ends(context)
  const session = new Session(inFront(context), invocation.with({ state, yes: true, wait: true }), { file, state, ends })
  try {
    await session.run()
    return await session.takeDown()
  } finally {
    session.close()
  }
}

/** The first Ctrl-C takes down what runs, the second leaves at once. A terminal that is closed, or whose reader left, counts as the first. */
class Ends implements Disposable {
  readonly first: AbortSignal
  readonly second: AbortSignal
  readonly #release: () => void

  constructor(context: Context) {
    const first = new AbortController()
    const second = new AbortController()
    this.first = AbortSignal.any([first.signal, context.terminal.outputClosed])
    this.second = second.signal
    // The end of a terminal is seen in its output or told by its signal, in any order: it is never a second one.
    const interrupt = (signal: NodeJS.Signals): void => (this.first.aborted && signal !== 'SIGHUP' ? second : first).abort()
    this.#release = context.onInterrupt(interrupt, { hangUp: true })
  }

  [Symbol.dispose](): void {
    this.#release()
  }
}

interface SessionOptions {
  readonly file: string
  readonly state: string
  readonly ends: Ends
}

class Session {
  readonly #context: Context
  readonly #invocation: Invocation
  readonly #file: string
  readonly #state: string
  readonly #ends: Ends
  readonly #changes: Changes
  readonly #logsEnd = new AbortController()
  readonly #startedMs = Date.now()
  /** Null until there is a daemon. */
  #client: Client | null = null
  #hasLogs = false
  /** What has changed since an apply last came to its end: it may be of a service that is still to be restarted. */
  readonly #pending = new Set<string>()

  constructor(context: Context, invocation: Invocation, { file, state, ends }: SessionOptions) {
    this.#context = context
    this.#invocation = invocation
    this.#file = file
    this.#state = state
    this.#ends = ends
    const { terminal, tools } = context
    const onLimit = (limit: WatchLimit): void =>
      terminal.note(terminal.notePalette.yellow(`${describeLimit(limit)}: a change in the rest is not seen.`))
    this.#changes = new Changes(tools, { except: [state], onLimit })
  }

  async run(): Promise<void> {
    const folder = dirname(this.#file)
    await this.#changes.watch({ folders: [{ folder, root: folder, ignore: [] }], files: [this.#file] })
    await this.#takeUp()
    this.#say('Ctrl-C takes everything down.')
    const { first, second } = this.#ends
    while (!first.aborted) {
      if ((await this.#until(second, this.#apply())) === 0) this.#pending.clear()
      for (const path of await this.#changes.next(first)) this.#pending.add(path)
    }
  }

  /** A `dev` that was killed left what it had brought up: it runs on. */
  async #takeUp(): Promise<void> {
    const isUsed = existsSync(join(this.#state, 'state.db'))
    const client = await connect(this.#context, { directory: this.#state, isUsed }, 'if-used')
    if (client === null) return
    this.#attach(client)
    const projects = await client.projects()
    if (projects.some(({ isDown }) => !isDown)) this.#say('Adopting what an earlier `daruma dev` left running.')
    if (projects.length > 0) await this.#followLogs(client)
  }

  /** What is wrong with the config, or with what it wants, is said; what runs runs on. Resolves to 0 where it came to its end. */
  async #apply(): Promise<number> {
    const { terminal } = this.#context
    const { first } = this.#ends
    try {
      const change = await makePlan(this.#context, await this.#named(), { onIdle: true, mayAsk: true, signal: first })
      if (change === null) return 1
      if (first.aborted) return interrupted
      await this.#changes.watch(watchedBy(change))
      const steps = new Set<string>(change.answer.plan.steps.map(({ service }) => service))
      if (steps.size === 0) await this.#settleUnchanged(change)
      else {
        const code = await this.#applyPlan(change)
        if (code !== 0) return code
      }
      const inPlace = this.#inPlace(change, [...this.#pending]).filter(({ name }) => !steps.has(name))
      return inPlace.length > 0 ? await this.#restart(inPlace) : 0
    } catch (error) {
      if (!(error instanceof DarumaError)) throw error
      terminal.note(renderError(error, terminal.notePalette, this.#invocation.has('verbose')).join('\n'))
      if (!first.aborted) this.#say('Retrying when a file changes.')
      return 1
    }
  }

  /** The config may have got another name since: there is nothing to ask, what runs here is its own. */
  async #named(): Promise<Invocation> {
    const projects = this.#client === null ? [] : ((await this.#client.version()).projects ?? [])
    const stage = this.#invocation.text('stage')
    const own = projects.find((project) => project.file === this.#file && project.stage === stage)
    return own === undefined ? this.#invocation : this.#invocation.with({ rename: own.id })
  }

  /** Nothing that runs changes: but the name may have, and the host may lack files for its next start. */
  async #settleUnchanged(change: PlannedChange): Promise<void> {
    if (change.client === null) return
    const client = this.#attach(change.client)
    await handOver(this.#context, client, change)
    await deliverReleases(this.#context, client, change.answer.project, change.releases)
  }

  async #applyPlan(change: PlannedChange): Promise<number> {
    const context = this.#context
    printPlan(context, this.#invocation, change)
    refuseObstacles(change.obstacles, 'Fix what is named.')
    this.#mark()
    const client = change.client ?? (await connectStarted(context, change.state))
    const own = this.#attach(client)
    await handOver(context, own, change)
    await deliverReleases(context, own, change.answer.project, change.releases)
    const { answer, secrets } = change
    const by = requester(context, 'dev', change.file)
    const { project, plan } = answer
    return this.#operate(own, { kind: 'apply', by, project, secrets, base: plan.base, fingerprint: null, only: change.only })
  }

  /** Not once the end has begun: what is taken down would be brought up behind it. */
  async #operate(client: Client, body: OperationRequest): Promise<number> {
    const { first } = this.#ends
    const ask = async () => (first.aborted ? null : client.operate(body))
    const accepted = await request(this.#context, this.#invocation, client, ask, first)
    if (accepted === null) return interrupted
    await this.#followLogs(client)
    return this.#until(first, watchOperation(this.#context, this.#invocation, client, accepted))
  }

  /** Before a daemon can make anything in it: without the mark a state with a database is one of `up`. */
  #mark(): void {
    const fault = makeStateFolder(this.#state)
    if (fault !== null) throw stateNotWritable(this.#state, fault)
    const mark = join(this.#state, devMark)
    if (!existsSync(mark)) writeFileSync(mark, '')
  }

  /** Those that run from a folder of this machine in which something has changed that is neither a source nor the config. */
  #inPlace({ desired }: PlannedChange, changed: readonly string[]): readonly InPlace[] {
    const sources = desired.services.flatMap(({ runs }) =>
      runs.kind === 'process' && runs.source !== null ? [runs.source.path] : [],
    )
    const own = changed.filter((path) => path !== this.#file && !sources.some((source) => isWithin(path, source)))
    return desired.services.flatMap(({ name, runs, scale }) => {
      const isKept = scale.kind !== 'job' && scale.kind !== 'schedule'
      if (!isKept || runs.kind !== 'process' || runs.source !== null) return []
      const paths = own.filter((path) => isWithin(path, runs.directory))
      return paths.length === 0 ? [] : [{ name, paths }]
    })
  }

  async #restart(inPlace: readonly InPlace[]): Promise<number> {
    if (this.#client === null || this.#ends.first.aborted) return interrupted
    const touched = [...new Set(inPlace.flatMap((each) => each.paths))]
    // Editors write another file first, and give it the name then.
    const present = touched.filter((path) => existsSync(path))
    const paths = (present.length > 0 ? present : touched).map((path) => relative(dirname(this.#file), path))
    const more = paths.length > mostPaths ? `, +${paths.length - mostPaths}` : ''
    this.#say(`${paths.slice(0, mostPaths).join(', ')}${more}: restarting ${inPlace.map(({ name }) => name).join(', ')}.`)
    const by = requester(this.#context, 'dev', null)
    const services = inPlace.map(({ name }) => name)
    return this.#operate(this.#client, { kind: 'restart', by, services })
  }

  /** The client of the first time stays, so that the logs follow the project to another name. */
  #attach(client: Client): Client {
    this.#client ??= client
    this.#client.project = client.project
    return this.#client
  }

  /** Once there is a project: the daemon follows those that it has when it is asked. What was printed before is shown, too. */
  async #followLogs(client: Client): Promise<void> {
    if (this.#hasLogs) return
    const { terminal } = this.#context
    const lines = new LogLines(terminal.palette, { slots: await knownSlots(client, []) })
    this.#hasLogs = true
    const query = { services: [], sinceMs: this.#startedMs }
    void followLogs(this.#context, client, query, this.#logsEnd.signal, (line) => {
      if (this.#invocation.json) terminal.print(JSON.stringify(line))
      else if (!('note' in line)) terminal.print(lines.render(line))
    }).catch((error: unknown) => terminal.note(`logs: ${error instanceof Error ? error.message : String(error)}`))
  }

  /** Everything in this state, and its daemon. Volumes and history stay. */
  async takeDown(): Promise<number> {
    const client = this.#client
    if (this.#ends.second.aborted) return interrupted
    if (client === null) return 0
    this.#say('Taking everything down. Ctrl-C again exits at once.')
    return this.#until(this.#ends.second, this.#takeDown(client))
  }

  async #takeDown(client: Client): Promise<number> {
    const by = requester(this.#context, 'dev', null)
    for (const { id, isDown, revision } of await client.projects()) {
      if (isDown && revision > 0) continue
      client.project = id
      const code = await operate(this.#context, this.#invocation, client, { kind: 'down', by })
      if (code !== 0) return code
    }
    this.#logsEnd.abort()
    await stopDaemon(this.#context, this.#state)
    return 0
  }

  /** What goes on when the signal comes goes on in the daemon, and may still say how it ended. */
  async #until(signal: AbortSignal, work: Promise<number>): Promise<number> {
    const ended = Promise.withResolvers<'ended'>()
    const end = (): void => ended.resolve('ended')
    if (signal.aborted) end()
    signal.addEventListener('abort', end)
    const first = await Promise.race([work, ended.promise]).finally(() => signal.removeEventListener('abort', end))
    if (first !== 'ended') return first
    work.catch(() => undefined)
    if (signal === this.#ends.second)
      this.#say(
        `Exited. What still runs is adopted by the next \`daruma dev\`, and ended by \`daruma down --state ${this.#state}\`.`,
      )
    return interrupted
  }

  #say(text: string): void {
    const { terminal } = this.#context
    terminal.note(terminal.notePalette.dim(text))
  }

  close(): void {
    this.#changes.close()
    this.#logsEnd.abort()
  }
}

interface InPlace {
  readonly name: ServiceName
  /** What has changed in its folder. */
  readonly paths: readonly string[]
}

/** In one line. */
const mostPaths = 3

const describeLimit = (limit: WatchLimit): string =>
  limit.kind === 'folders'
    ? `More than ${limit.most} folders to watch`
    : `The kernel watches no more folders for this user (sysctl ${limit.setting})`

/** The config's folder, and what the config names, also where that is elsewhere, or left out by the rules there. */
function watchedBy({ file, desired }: PlannedChange): Watched {
  const root = dirname(file)
  const folders = desired.services.flatMap(({ runs }) => {
    if (runs.kind === 'container') return runs.image.from === 'build' ? [{ folder: runs.image.context, root, ignore: [] }] : []
    if (runs.source !== null) return [{ folder: runs.source.path, root, ignore: runs.source.ignore }]
    return [{ folder: runs.directory, root, ignore: [] }]
  })
  const unique = new Map([{ folder: root, root, ignore: [] }, ...folders].map((each) => [JSON.stringify(each), each]))
  const environmentFiles = desired.services.flatMap(({ envFile }) => envFile.map((path) => resolve(root, path)))
  return { folders: [...unique.values()], files: [...new Set([file, ...environmentFiles])] }
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way === '' || (!way.startsWith('../') && way !== '..')
}

/** Logs go on meanwhile: nothing is drawn over them. What is interrupted is decided here, not by what is under way. */
function inFront(context: Context): Context {
  const terminal = Object.create(context.terminal, { isInteractive: { value: false } }) as Context['terminal']
  return { ...context, terminal, onInterrupt: () => () => undefined }
}
