/**
 * What the page knows, kept fresh: a look at the daemon every two seconds, the events as a stream, and whether any of it can still be
 * believed. While nobody sees the tab nothing is measured for it: a hidden page only says now and then that it is still there.
 */

import type { OperationLine, OverviewAnswer, RecordedEvent, SeriesAnswer, VersionAnswer } from '../../protocol/api.ts'
import { askDaemon, followDaemon, Trouble } from './daemon-client.ts'
import { SeriesStore } from './series-store.ts'

const lookEveryMs = 2000
const retryMs = 1000
/** After an event: the operation that it belongs to has more of them. */
const settleMs = 120
const eventsKept = 1000
/** Well below the time after which the daemon closes a page that nobody uses: an open tab is a use, also behind others. */
const keepOpenMs = 5 * 60_000

export type Connection =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** What is shown was true at `sinceMs`. */
  | { readonly kind: 'lost'; readonly sinceMs: number }
  | { readonly kind: 'denied'; readonly message: string }
  /** The daemon answers, and has no project of the name that is looked at. */
  | { readonly kind: 'unknown'; readonly message: string }

export interface Snapshot {
  readonly connection: Connection
  /** The one that is looked at; null for all that there are. */
  readonly project: string | null
  /** By their ids: all that the daemon has. */
  readonly projects: readonly string[]
  readonly overview: OverviewAnswer | null
  readonly events: readonly RecordedEvent[]
  /** The last sentence about the operation under way. */
  readonly progress: string | null
  /** What has changed in the connection, for a moment. */
  readonly notice: string | null
  /** This machine's time by the daemon's clock, as of the last look. */
  readonly nowMs: number
}

const nothingKnown: Pick<Snapshot, 'connection' | 'overview' | 'events' | 'progress'> = {
  connection: { kind: 'connecting' },
  overview: null,
  events: [],
  progress: null,
}

export class Live {
  readonly #listeners = new Set<() => void>()
  #all = new SeriesStore()
  #ofService: { readonly name: string; readonly store: SeriesStore } | null = null
  #snapshot: Snapshot
  #work = new AbortController()
  #wake: () => void = () => {}
  #lastLookMs = 0
  #noticeTimer: ReturnType<typeof setTimeout> | undefined
  #frame = 0

  constructor(project: string | null) {
    this.#snapshot = { ...nothingKnown, project, projects: [], notice: null, nowMs: Date.now() }
  }

  get snapshot(): Snapshot {
    return this.#snapshot
  }

  /** Of all services, or of the one that is looked at and its instances. */
  series(service: string | null): SeriesStore {
    return service !== null && this.#ofService?.name === service ? this.#ofService.store : this.#all
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  begin(): void {
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.#work.abort()
      else if (this.#work.signal.aborted) this.#run()
    })
    setInterval(() => {
      if (document.hidden) askDaemon('/v1/version', AbortSignal.timeout(retryMs)).catch(() => undefined)
    }, keepOpenMs)
    this.#run()
  }

  /** Nothing that is known of one project is true of another. */
  lookAt(project: string | null): void {
    if (project !== this.#snapshot.project) this.again(project)
  }

  /** From the beginning: another token has come, or another project is looked at. */
  again(project: string | null): void {
    this.#work.abort()
    this.#all = new SeriesStore()
    if (this.#ofService !== null) this.#ofService = { name: this.#ofService.name, store: new SeriesStore() }
    this.#set({ ...nothingKnown, project })
    this.#run()
  }

  /** The plots of this service are wanted next; null for those of all. */
  focus(service: string | null): void {
    if ((this.#ofService?.name ?? null) === service) return
    this.#ofService = service === null ? null : { name: service, store: new SeriesStore() }
    this.#wake()
  }

  #run(): void {
    this.#work = new AbortController()
    const { signal } = this.#work
    void this.#lookOn(signal)
    void this.#followEventLog(signal)
  }

  async #lookOn(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#snapshot.connection.kind !== 'denied') {
      await this.#look(signal)
      await this.#rest(this.#snapshot.connection.kind === 'live' ? lookEveryMs : retryMs, signal)
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    try {
      // A project that is gone may come back: its name is waited for, and nothing is asked that will be refused.
      if (this.#snapshot.connection.kind === 'unknown') await this.#readProjects(signal)
      if (this.#isGone()) return
      const [overview] = await Promise.all([
        askDaemon<OverviewAnswer>('/v1/overview', signal),
        this.#readSeries(signal),
        this.#readProjects(signal),
      ])
      // The answer may have been on its way while another project was chosen.
      if (signal.aborted) return
      this.#lastLookMs = Date.now()
      const before = this.#snapshot
      const isBack = before.connection.kind === 'lost'
      const isNew = before.overview !== null && before.overview.daemon.startedAt !== overview.daemon.startedAt
      if (isNew) this.#notify(`Reconnected. The daemon was restarted (pid ${overview.daemon.pid}); the services kept running.`)
      else if (isBack) this.#notify('Reconnected.')
      if (overview.operation?.id !== before.overview?.operation?.id) this.#followOperation(overview.operation?.id ?? null, signal)
      this.#set({ connection: { kind: 'live' }, overview, nowMs: Date.parse(overview.at) })
    } catch (error) {
      this.#fail(error, signal)
    }
  }

  async #readProjects(signal: AbortSignal): Promise<void> {
    const { projects } = await askDaemon<VersionAnswer>('/v1/version', signal)
    this.#set({ projects: projects.map(({ id }) => id) })
  }

  async #readSeries(signal: AbortSignal): Promise<void> {
    const focused = this.#ofService
    const store = focused?.store ?? this.#all
    const query = (): string => `?since=${store.since}${focused === null ? '' : `&service=${encodeURIComponent(focused.name)}`}`
    const isTaken = store.add(await askDaemon<SeriesAnswer>(`/v1/series${query()}`, signal))
    if (!isTaken) store.add(await askDaemon<SeriesAnswer>(`/v1/series${query()}`, signal))
  }

  #isGone(): boolean {
    const { connection, project, projects } = this.#snapshot
    return connection.kind === 'unknown' && project !== null && !projects.includes(project)
  }

  async #followEventLog(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#snapshot.connection.kind !== 'denied') {
      if (!this.#isGone()) await this.#followEvents(signal)
      await pause(retryMs, signal)
    }
  }

  async #followEvents(signal: AbortSignal): Promise<void> {
    try {
      const since = this.#snapshot.events.at(-1)?.number ?? 0
      const path = `/v1/events?since=${since}&limit=${eventsKept / 2}&follow=1`
      for await (const event of followDaemon<RecordedEvent>(path, signal)) {
        if (signal.aborted) return
        this.#hear(event)
      }
    } catch (error) {
      this.#fail(error, signal)
    }
  }

  #hear(event: RecordedEvent): void {
    const known = this.#snapshot.events
    if (event.number <= (known.at(-1)?.number ?? 0)) return
    this.#snapshot = { ...this.#snapshot, events: [...known, event].slice(-eventsKept) }
    this.#draw()
    // What happened shows in the numbers at once, and not up to two seconds later.
    setTimeout(() => this.#wake(), settleMs)
  }

  #followOperation(id: string | null, signal: AbortSignal): void {
    this.#set({ progress: null })
    if (id === null) return
    const follow = async (): Promise<void> => {
      for await (const line of followDaemon<OperationLine>(`/v1/operations/${encodeURIComponent(id)}/stream`, signal)) {
        if (signal.aborted) return
        if (line.kind === 'progress') this.#set({ progress: `${line.service}: ${line.message}` })
        if (line.kind === 'failure') this.#set({ progress: `${line.failure.service}: ${line.failure.message}` })
      }
    }
    // Its end is in the next overview, whatever became of the stream.
    follow().catch(() => undefined)
  }

  #fail(error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return
    if (error instanceof Trouble && error.kind === 'denied') {
      this.#set({ connection: { kind: 'denied', message: error.message } })
      return
    }
    if (error instanceof Trouble && error.kind === 'unknown') {
      this.#set({ ...nothingKnown, connection: { kind: 'unknown', message: error.message } })
      return
    }
    const { connection, overview } = this.#snapshot
    if (connection.kind === 'live' || connection.kind === 'unknown' || (connection.kind === 'connecting' && overview === null))
      this.#set({ connection: { kind: 'lost', sinceMs: this.#lastLookMs === 0 ? Date.now() : this.#lastLookMs } })
    else this.#draw()
  }

  #notify(notice: string): void {
    clearTimeout(this.#noticeTimer)
    this.#set({ notice })
    this.#noticeTimer = setTimeout(() => this.#set({ notice: null }), 8000)
  }

  #rest(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal.addEventListener('abort', done)
      this.#wake = done
    })
  }

  #set(change: Partial<Snapshot>): void {
    this.#snapshot = { ...this.#snapshot, ...change }
    this.#draw()
  }

  /** Once a frame: a burst of a thousand events is one drawing. */
  #draw(): void {
    cancelAnimationFrame(this.#frame)
    this.#frame = requestAnimationFrame(() => {
      for (const listener of this.#listeners) listener()
    })
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
