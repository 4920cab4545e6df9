/**
 * The projects of the machine: found in the database by a new daemon, opened with the first `up` of a new name, and removed by hand. A project's
 * place never changes, so that a project can be given another name or another config while everything of it runs on. Changes of
 * what is wanted are accepted one at a time over all projects, so that no two of them can take the same domain; they are carried out at once.
 */

import type { ProjectId } from '../core/model/project-id.ts'
import { builtIn } from '../core/release/tree-request.ts'
import { parseProjectId, projectIdOf } from '../core/model/project-id.ts'
import type { Project as Config } from '../core/model/service.ts'
import { DarumaError } from '../ports/error.ts'
import type { OperationAnswer, OperationRequest } from '../protocol/api.ts'
import { originsFile } from '../protocol/origins.ts'
import type { WrittenOrigin } from '../protocol/origins.ts'
import type { HandOverRequest, KeptVolumes, RemoveProjectAnswer } from '../protocol/projects.ts'
import type { DaemonFacts, DaemonPorts, Home } from './daemon-facts.ts'
import type { EventNumbers } from '../server/event-log.ts'
import type { PortAllotment } from '../agent/port-allotment.ts'
import { prefixedStore } from './prefixed-store.ts'
import { Project } from './project.ts'
import { ProjectTraffic } from '../agent/traffic/project-traffic.ts'
import { listRecords, put } from '../ports/storage/json-records.ts'
import { keys, projectPrefix } from '../server/records.ts'
import { refuseWithoutStore } from './api/refuse-without-store.ts'
import { namedByOrigins } from './found-projects.ts'
import { Leaving } from './leaving.ts'
import { answerOf, freePlace, listKept, refuseUnknown, removeKept } from './removal.ts'
import type { IsTaken } from './removal.ts'
import type { ProjectRecord } from '../server/records.ts'
import type { ServedProject } from '../agent/traffic/served-project.ts'
import type { Traffic } from '../agent/traffic/traffic.ts'

export interface ProjectsOptions {
  readonly ports: DaemonPorts
  readonly facts: DaemonFacts
  readonly allotment: PortAllotment
  readonly numbers: EventNumbers
  readonly traffic: Traffic
  readonly onStoreLost: (message: string) => void
}

interface Opened {
  readonly project: Project
  readonly home: Home & AsyncDisposable
}

export class Projects {
  readonly #options: ProjectsOptions
  readonly #byPlace = new Map<ProjectId, Opened>()
  /** Accepting a change: one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #engineFault: string | null = null
  /** Found on disk, and in no record: of one in which nothing is, nothing is to be shown. */
  readonly #found = new Set<ProjectId>()
  readonly #leaving: Leaving
  readonly #followers = new Set<(project: Project) => void>()
  /** The configs that are marked as up. */
  #marked: string | null = null

  readonly #isTaken: IsTaken = (place) => this.#byPlace.has(place) || this.#leaving.has(place)

  constructor(options: ProjectsOptions) {
    this.#options = options
    this.#leaving = new Leaving({ ports: options.ports, inTurn: (work) => this.#inTurn(work) })
  }

  /** In the order of their ids. */
  list(): readonly Project[] {
    const projects = [...this.#byPlace.values()].map(({ project }) => project)
    return projects.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  }

  find(id: ProjectId): Project | null {
    return this.list().find((project) => project.id === id) ?? null
  }

  /** `onOpened`: of each project that comes from now on, before it has emitted anything. Returns what ends it. */
  follow(onOpened: (project: Project) => void): () => void {
    this.#followers.add(onOpened)
    return () => void this.#followers.delete(onOpened)
  }

  /** Where it is not known what an instance of some project runs from, nothing goes. */
  async #collectReleases(): Promise<void> {
    const needed = await Promise.all(
      this.list().map(async ({ releases, place }) => {
        const requests = await releases.needed()
        return requests === null ? null : requests.map((request) => builtIn(place, request))
      }),
    )
    const known = needed.filter((requests) => requests !== null)
    if (known.length === needed.length) await this.#options.ports.releases.collect(known.flat())
  }

  wantsContainers(place: ProjectId): boolean {
    const config = this.#byPlace.get(place)?.project.world.project
    return config?.services.some(({ runs }) => runs.kind === 'container') ?? false
  }

  *served(): Iterable<ServedProject> {
    for (const { project } of this.#byPlace.values()) yield project.served
  }

  /** What all but one want, now or after the operation that is under way. */
  async wanted(but: Project | null): Promise<readonly Config[]> {
    const others = this.list().filter((project) => project !== but)
    return (await Promise.all(others.map((project) => project.wanted()))).flat()
  }

  /** Opens what the database knows of, and what has files here though the database (a restored one) has never heard of it. */
  async remember(): Promise<void> {
    const { ports } = this.#options
    const recorded = (await listRecords<ProjectRecord>(ports.store, 'project/')).map(({ record }) => record)
    // Their files are removed once the others run again.
    for (const record of recorded) if (record.removal !== undefined) this.#leaving.remember(record)
    const places = new Set(recorded.map(({ place }) => place))
    const found = (await ports.listHomes()).filter((place) => !places.has(place))
    for (const place of found) this.#found.add(place)
    const known = recorded.filter(({ removal }) => removal === undefined)
    const written = found.length === 0 ? null : await ports.directory.readFile(originsFile).catch(() => null)
    for (const record of [...known, ...namedByOrigins(found, known, written)]) {
      const { project } = await this.#open(record)
      await project.remember()
    }
  }

  /** All at once: they wait for a container engine that does not answer together, and not one after the other. */
  async load(): Promise<void> {
    await Promise.all(this.list().map((project) => project.load(async () => {})))
  }

  async begin(): Promise<void> {
    await Promise.all(this.list().map((project) => project.begin()))
    for (const place of this.#found) {
      const opened = this.#byPlace.get(place)
      if (opened?.project.isUnused() === true) await this.#shut(opened)
    }
    this.#found.clear()
    await this.#noteOrigins()
    this.#leaving.begin()
  }

  /** The net under what marks the configs that are up: a `down` ends by itself. */
  look(): void {
    const up = this.list().filter((project) => !project.isEmpty())
    const files = up.flatMap(({ record }) => record.origin?.file ?? []).toSorted()
    const marked = files.join('\0')
    if (marked === this.#marked) return
    this.#marked = marked
    this.#options.ports.markConfigs(files)
  }

  async close(): Promise<void> {
    this.#leaving.close()
    const close = async ({ project, home }: Opened): Promise<void> => {
      await project.close()
      await project.events.flush()
      await home[Symbol.asyncDispose]()
    }
    await Promise.all([...this.#byPlace.values()].map(close))
  }

  /** False where that is no news. */
  noteEngine(fault: string | null): boolean {
    if ((fault === null) === (this.#engineFault === null)) return false
    this.#engineFault = fault
    for (const project of this.list()) project.noteEngine(fault)
    return true
  }

  operate(project: Project, request: Exclude<OperationRequest, { kind: 'apply' }>): Promise<OperationAnswer> {
    // Only a way back to another revision can want what another project has, or what runs from a former state.
    if (request.kind !== 'rollback') return project.operate(request)
    return this.#inTurn(async () => {
      const { name, stage, origin } = project.record
      await this.#options.ports.refuseFormer({ name, stage, file: origin?.file ?? null })
      return project.operate(request)
    })
  }

  apply(request: Extract<OperationRequest, { kind: 'apply' }>): Promise<OperationAnswer> {
    return this.#inTurn(async () => {
      refuseWithoutStore(this.#options.ports.storeFault)
      const id = projectIdOf(request.project)
      await this.#leaving.finish(id)
      await this.#options.ports.refuseFormer({ ...request.project, file: request.by.file })
      const known = this.find(id)
      if (known !== null) return this.#applyTo(known, request)
      const { name, stage } = request.project
      const { store } = this.#options.ports
      const record = { place: await freePlace(store, id, this.#isTaken), name, stage, origin: null }
      const opened = await this.#open(record)
      try {
        await opened.project.remember()
        await opened.project.load(async () => {})
        await opened.project.begin()
        // First, so that no daemon finds an operation, or an instance, of a project that it does not know.
        await store.transact({ then: [put(keys.project(record.place), record)] })
        return await this.#applyTo(opened.project, request)
      } finally {
        if (opened.project.isUnused()) await this.#drop(opened)
      }
    })
  }

  /**
   * Forgets a project that is down, with its history, secrets and logs. The volumes stay, but for those that are named; so does how far its
   * epochs have come, since a project of the same name must not give out an old one again. Throws `E_PROJECT_RUNNING`, `E_PROJECT_LEAVING`.
   */
  remove(project: Project, volumes: readonly string[]): Promise<RemoveProjectAnswer> {
    return this.#inTurn(async () => {
      refuseWithoutStore(this.#options.ports.storeFault)
      const { ports } = this.#options
      const opened = this.#byPlace.get(project.place)
      if (opened === undefined) throw new DarumaError('E_PROJECT_UNKNOWN', `Project ${project.id} no longer exists.`)
      refuseUnknown(project.id, volumes, await ports.listVolumes(project.place))
      const record: ProjectRecord = { ...project.record, removal: { volumes } }
      refuseRunning(project)
      await ports.store.transact({ then: [put(keys.project(project.place), record)] })
      if (!project.isEmpty()) {
        // Somebody has begun something meanwhile: then it stays.
        await ports.store.transact({ then: [put(keys.project(project.place), project.record)] })
        refuseRunning(project)
      }
      project.record = record
      await this.#drop(opened)
      await this.#noteOrigins()
      this.#leaving.refuse(project.id)
      void this.#collectReleases().catch((error: unknown) => ports.log.write('warn', `releases: ${String(error)}`))
      return answerOf(ports, project.place)
    })
  }

  /** By their names. */
  volumesOf({ place }: Project): Promise<readonly string[]> {
    return this.#options.ports.listVolumes(place)
  }

  /** What removed projects have left. */
  kept(): Promise<readonly KeptVolumes[]> {
    return listKept(this.#options.ports, this.#isTaken)
  }

  /** Null where no removed project of this id has left anything. Throws `E_VOLUME_UNKNOWN`. */
  removeKept(id: ProjectId, volumes: readonly string[]): Promise<RemoveProjectAnswer | null> {
    return this.#inTurn(() => removeKept(this.#options.ports, this.#isTaken, id, volumes))
  }

  /**
   * Gives the project another name, or another config that it comes from, in one write: a daemon that dies over it leaves it as it was or as it is
   * to be. Throws `E_PROJECT_EXISTS`, `E_STORE_FULL`.
   */
  handOver(project: Project, { name, stage, by }: HandOverRequest): Promise<void> {
    return this.#inTurn(async () => {
      const { clock, store, storeFault } = this.#options.ports
      refuseWithoutStore(storeFault)
      const id = projectIdOf({ name, stage })
      if (parseProjectId(id) === null) throw new DarumaError('E_REQUEST_INVALID', `No project can be called ${id}.`)
      const other = this.find(id)
      if (other !== null && other !== project)
        throw new DarumaError('E_PROJECT_EXISTS', `There is a project ${id} already.`, {
          hint: `\`daruma project ls\` lists them; \`daruma project rm ${id}\` removes one that is down.`,
        })
      const { record } = project
      const origin = by.file === null ? record.origin : { file: by.file, user: by.user, at: clock.wallTime() }
      if (id === project.id && origin?.file === record.origin?.file && origin?.user === record.origin?.user) return
      const next: ProjectRecord = { ...record, name, stage, origin }
      await store.transact({ then: [put(keys.project(record.place), next)] })
      const before = project.id
      project.record = next
      const what = id === before ? `${id} comes from ${by.file ?? 'a pipe'} now` : `${before} is called ${id} now`
      project.emit('handed-over', what, `${by.command} by ${by.user}`)
      await this.#noteOrigins()
    })
  }

  async #applyTo(project: Project, request: Extract<OperationRequest, { kind: 'apply' }>): Promise<OperationAnswer> {
    const { clock, store } = this.#options.ports
    const { file, user } = request.by
    const answer = await project.operate(request)
    if (file === null || project.isUnused()) return answer
    project.record = { ...project.record, origin: { file, user, at: clock.wallTime() } }
    // A full disk costs only the finding by this config; the next apply writes it again.
    await store.transact({ then: [put(keys.project(project.place), project.record)] }).catch(ignoreFullDisk)
    await this.#noteOrigins()
    return answer
  }

  /** Beside the database, so that commands find the state by their config without evaluating it, also while no daemon runs. */
  async #noteOrigins(): Promise<void> {
    this.look()
    const { directory, storeFault } = this.#options.ports
    // What a damaged database says may not take the place of what is known.
    if (storeFault !== null) return
    const origins = this.list().map(({ place, record: { name, stage, origin } }): WrittenOrigin => ({
      file: origin?.file ?? null,
      stage,
      project: name,
      place,
      user: origin?.user ?? null,
      at: origin?.at ?? null,
    }))
    await directory.writeFile(originsFile, `${JSON.stringify(origins)}\n`).catch(() => undefined)
  }

  async #open(record: ProjectRecord): Promise<Opened> {
    const { ports, facts, allotment, numbers, traffic, onStoreLost } = this.#options
    const { place } = record
    const home = await ports.openHome(place)
    const own = {
      ...ports,
      directory: home.directory,
      runtime: home.runtime,
      store: prefixedStore(ports.store, projectPrefix(place)),
    }
    const project: Project = new Project(
      own,
      facts,
      {
        allotment: allotment.within(place),
        traffic: new ProjectTraffic(traffic, place),
        balancerFor: (config) => traffic.kindFor(config, place),
        wire: ports.wire(),
        numbers,
        builtIn: null,
        others: () => this.wanted(project),
        collectReleases: () => this.#collectReleases(),
        onStoreLost,
      },
      record,
    )
    project.noteEngine(this.#engineFault)
    const opened = { project, home }
    this.#byPlace.set(place, opened)
    for (const follower of this.#followers) follower(project)
    return opened
  }

  /** Ends the project's own work, and the daemon's knowledge of it; nothing of its files is touched. */
  async #shut({ project, home }: Opened): Promise<void> {
    this.#byPlace.delete(project.place)
    await project.close()
    await project.events.flush()
    await home[Symbol.asyncDispose]()
    this.#options.traffic.noteProject(project.place)
  }

  async #drop(opened: Opened): Promise<void> {
    const { record } = opened.project
    this.#leaving.remember(record)
    await this.#shut(opened)
    await this.#leaving.remove(record)
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#turn.then(work, work)
    this.#turn = turn.catch(() => undefined)
    return turn
  }
}

function refuseRunning(project: Project): void {
  if (project.isEmpty()) return
  throw new DarumaError('E_PROJECT_RUNNING', `${project.id} has services, or something is under way in it.`, {
    hint: `\`daruma down -p ${project.id}\` takes it down first.`,
  })
}

function ignoreFullDisk(error: unknown): void {
  if (!(error instanceof DarumaError) || error.code !== 'E_STORE_FULL') throw error
}
