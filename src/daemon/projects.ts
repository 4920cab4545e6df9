/**
 * The projects of the machine: found in the database by a new daemon, opened with the first `up` of a new name, and removed by hand. Changes of
 * what is wanted are accepted one at a time over all projects, so that no two of them can take the same domain; they are carried out at once.
 */

import type { ProjectId } from '../core/model/project-id.ts'
import { builtIn } from '../core/release/tree-request.ts'
import { projectIdOf } from '../core/model/project-id.ts'
import type { Project as Config } from '../core/model/service.ts'
import { DarumaError } from '../ports/error.ts'
import type { Store } from '../ports/store.ts'
import type { OperationAnswer, OperationRequest } from '../protocol/api.ts'
import { originsFile } from '../protocol/origins.ts'
import type { Origin } from '../protocol/origins.ts'
import type { RemoveProjectAnswer } from '../protocol/projects.ts'
import type { DaemonFacts, DaemonPorts, Home } from './daemon-facts.ts'
import type { EventNumbers } from '../server/event-log.ts'
import type { PortAllotment } from '../agent/port-allotment.ts'
import { prefixedStore } from './prefixed-store.ts'
import { Project } from './project.ts'
import { ProjectTraffic } from '../agent/traffic/project-traffic.ts'
import { listRecords, put, remove } from '../ports/json-records.ts'
import { keys, projectPrefix } from '../server/records.ts'
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

  constructor(options: ProjectsOptions) {
    this.#options = options
  }

  /** In the order of their ids. */
  list(): readonly Project[] {
    const projects = [...this.#byPlace.values()].map(({ project }) => project)
    return projects.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  }

  find(id: ProjectId): Project | null {
    return this.list().find((project) => project.id === id) ?? null
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
    const records = (await listRecords<ProjectRecord>(ports.store, 'project/')).map(({ record }) => record)
    const places = new Set(records.map(({ place }) => place))
    const found = (await ports.listHomes()).filter((place) => !places.has(place))
    for (const record of [...records, ...found.map(recordOfPlace)]) {
      const { project } = await this.#open(record)
      await project.remember()
    }
  }

  async load(): Promise<void> {
    for (const project of this.list()) await project.load(async () => {})
  }

  async begin(): Promise<void> {
    await Promise.all(this.list().map((project) => project.begin()))
  }

  async close(): Promise<void> {
    for (const { project, home } of this.#byPlace.values()) {
      await project.close()
      await project.events.flush()
      await home[Symbol.asyncDispose]()
    }
  }

  /** False where that is no news. */
  noteEngine(fault: string | null): boolean {
    if ((fault === null) === (this.#engineFault === null)) return false
    this.#engineFault = fault
    for (const project of this.list()) project.noteEngine(fault)
    return true
  }

  operate(project: Project, request: Exclude<OperationRequest, { kind: 'apply' }>): Promise<OperationAnswer> {
    // Only a way back to another revision can want what another project has.
    return request.kind === 'rollback' ? this.#inTurn(() => project.operate(request)) : project.operate(request)
  }

  apply(request: Extract<OperationRequest, { kind: 'apply' }>): Promise<OperationAnswer> {
    return this.#inTurn(async () => {
      const id = projectIdOf(request.project)
      const known = this.find(id)
      if (known !== null) return this.#applyTo(known, request)
      const { name, stage } = request.project
      const record = { place: this.#freePlace(id), name, stage, origin: null }
      const opened = await this.#open(record)
      try {
        await opened.project.remember()
        await opened.project.load(async () => {})
        await opened.project.begin()
        // First, so that no daemon finds an operation, or an instance, of a project that it does not know.
        await this.#options.ports.store.transact({ then: [put(keys.project(record.place), record)] })
        return await this.#applyTo(opened.project, request)
      } finally {
        if (opened.project.isUnused()) await this.#drop(opened, [])
      }
    })
  }

  /**
   * Forgets a project that is down, with its history, secrets and logs. The volumes stay, but for those that are named; so does how far its
   * epochs have come, since a project of the same name must not give out an old one again. Throws `E_PROJECT_RUNNING`.
   */
  remove(project: Project, volumes: readonly string[]): Promise<RemoveProjectAnswer> {
    return this.#inTurn(async () => {
      const { ports } = this.#options
      const opened = this.#byPlace.get(project.place)
      if (opened === undefined) throw new DarumaError('E_PROJECT_UNKNOWN', `There is no project ${project.id} any more.`)
      if (!project.isEmpty()) {
        throw new DarumaError('E_PROJECT_RUNNING', `${project.id} has services, or something is under way in it.`, {
          hint: `\`daruma down -p ${project.id}\` takes it down first.`,
        })
      }
      const present = await ports.listVolumes(project.place)
      const unknown = volumes.find((name) => !present.includes(name))
      if (unknown !== undefined) {
        throw new DarumaError('E_VOLUME_UNKNOWN', `${project.id} has no volume ${unknown}.`, {
          hint: present.length === 0 ? 'It has none.' : `It has: ${present.join(', ')}.`,
        })
      }
      await this.#drop(opened, volumes)
      await this.#noteOrigins()
      return { kept: present.filter((name) => !volumes.includes(name)) }
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
    const origins: readonly Origin[] = this.list().map(({ record: { name, stage, origin } }) => ({
      file: origin?.file ?? null,
      stage,
      project: name,
    }))
    await this.#options.ports.directory.writeFile(originsFile, `${JSON.stringify(origins)}\n`).catch(() => undefined)
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
    return opened
  }

  async #drop({ project, home }: Opened, volumes: readonly string[]): Promise<void> {
    const { ports, traffic } = this.#options
    const { place } = project
    this.#byPlace.delete(place)
    await project.close()
    await project.events.flush()
    await home[Symbol.asyncDispose]()
    await ports.removeHome(place, volumes)
    // Its own record last: what a daemon that dies here leaves is found, and removed, again.
    await clear(ports.store, projectPrefix(place))
    await ports.store.transact({ then: [remove(keys.project(place))] }).catch(ignoreFullDisk)
    traffic.noteProject(place)
  }

  /** A project that was renamed keeps the place that it began with. */
  #freePlace(id: ProjectId): ProjectId {
    for (let number = 1; ; number += 1) {
      const place = (number === 1 ? id : `${id}__${number}`) as ProjectId
      if (!this.#byPlace.has(place)) return place
    }
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#turn.then(work, work)
    this.#turn = turn.catch(() => undefined)
    return turn
  }
}

/** All but the last claim, above which every later epoch must be. */
async function clear(store: Store, prefix: string): Promise<void> {
  for (;;) {
    const { entries } = await store.list(prefix, { limit: 500 })
    const found = entries.filter(({ key }) => key !== prefix + keys.claims)
    if (found.length === 0) return
    await store.transact({ then: found.map(({ key }) => remove(key)) }).catch(ignoreFullDisk)
  }
}

/** Nothing but its place is known: what it is called was in the database. */
function recordOfPlace(place: ProjectId): ProjectRecord {
  const [name = place, stage] = place.replace(/__\d+$/, '').split('_')
  return { place, name, stage: stage ?? null, origin: null }
}

function ignoreFullDisk(error: unknown): void {
  if (!(error instanceof DarumaError) || error.code !== 'E_STORE_FULL') throw error
}
