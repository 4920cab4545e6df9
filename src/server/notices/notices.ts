/**
 * Tells of the troubles of one project. What is in trouble is a record, written down before it is told; a notice is a record too, so that it is
 * sent with the same id until it is taken: at least once, and what came twice can be known by its id. There is no queue: a target has one notice
 * under way, and what happens meanwhile is in the next one. A full disk keeps no notice back: then one may be told again, under another id, by
 * the next daemon.
 */

import type { NotifyTarget } from '../../core/keys/notify.ts'
import { nameOfTarget } from '../../core/keys/notify.ts'
import { asRevisionNumber } from '../../core/model/id.ts'
import type { Event } from '../../core/model/event.ts'
import { identityOfTarget } from '../../core/model/notify-target.ts'
import { composeNotice, composeTest, type Sender, untold } from '../../core/notices/notice.ts'
import { lastOf, Troubles } from '../../core/notices/trouble.ts'
import type { Trouble } from '../../core/notices/trouble.ts'
import { createHash } from 'node:crypto'
import type { Clock } from '../../ports/clock.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Log } from '../../ports/log.ts'
import { listRecords, put, readRecord, remove } from '../../ports/storage/json-records.ts'
import type { Deliver, DeliveryAnswer } from '../../ports/notices/deliver.ts'
import type { Random } from '../../ports/random.ts'
import type { Operation, Store } from '../../ports/storage/store.ts'
import type { NoticesAnswer, NoticeTargetView, NoticeTestAnswer } from '../../protocol/notices.ts'
import type { CronTable } from '../cron/cron-table.ts'
import type { FateRecord, RevisionRecord } from '../records.ts'
import { keys } from '../records.ts'
import type { OutgoingNotice, Redact } from '../redacted.ts'
import type { SecretStore } from '../secrets.ts'
import type { World } from '../world/world.ts'
import { Delivery, type TargetRecord } from './delivery.ts'
import { readSigns } from './signs.ts'

export interface NoticesOptions {
  readonly world: World
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly cron: Pick<CronTable, 'entries'>
  readonly secrets: Pick<SecretStore, 'valuesForTarget'>
  readonly redact: Redact
  readonly loadRevision: (number: ReturnType<typeof asRevisionNumber>) => Promise<RevisionRecord | null>
  readonly sender: () => Sender
  readonly deliver: Deliver
  readonly emit: (event: Event) => void
}

/** Of changes in one transaction; the rest follows with the next look. */
const mostWrites = 500

export class Notices {
  readonly #options: NoticesOptions
  #troubles = new Troubles([], 0)
  readonly #deliveries = new Map<string, Delivery>()
  /** What was written of targets that no delivery was made for yet. */
  #known = new Map<string, TargetRecord>()
  /** Records that are to be written, or removed. */
  readonly #dirty = new Set<string>()
  /** What failed, and with which words, as the daemon's log was told. */
  readonly #faults = new Map<string, string>()
  #looking: Promise<void> | null = null
  #hasBegun = false
  #isLoaded = false
  #isClosed = false

  constructor(options: NoticesOptions) {
    this.#options = options
  }

  async #load(): Promise<void> {
    const { store } = this.#options
    const troubles = await listRecords<Trouble>(store, keys.trouble(''))
    const targets = await listRecords<TargetRecord>(store, keys.noticeTarget(''))
    this.#known = new Map(targets.map(({ key, record }) => [key.slice(keys.noticeTarget('').length), record]))
    const last = Math.max(0, ...targets.map(({ record }) => Math.max(record.toldUpTo, record.pending?.upTo ?? 0)))
    this.#troubles = new Troubles(
      troubles.map(({ record }) => record),
      last,
    )
    this.#isLoaded = true
  }

  /** The world is known: before that nothing is in trouble, and nothing is over. */
  begin(): void {
    this.#hasBegun = true
  }

  close(): void {
    this.#isClosed = true
    for (const delivery of this.#deliveries.values()) delivery.close()
  }

  /** Something is still to be told, and may be soon: a daemon that has nothing else to do stays for it. */
  get isTelling(): boolean {
    return [...this.#deliveries.values()].some((delivery) => delivery.isTelling)
  }

  /** Called with each pulse. Never rejects. */
  look(): void {
    if (!this.#hasBegun || this.#isClosed || this.#looking !== null) return
    // A store that cannot be read now can be at the next look.
    this.#looking = this.#hold('look', this.#look()).finally(() => (this.#looking = null))
  }

  /** Never rejects: a failure goes to the daemon's log, once until it is another, or was over meanwhile. */
  async #hold(what: string, work: Promise<void>): Promise<void> {
    try {
      await work
      this.#faults.delete(what)
    } catch (error) {
      const fault = String(error)
      if (this.#faults.get(what) !== fault) this.#options.log.write('error', `notices: ${what}: ${fault}`)
      this.#faults.set(what, fault)
    }
  }

  async status(): Promise<NoticesAnswer> {
    const targets = await this.#targets()
    return { targets: targets.map(([id, target]) => this.#view(id, target)), troubles: this.#shownTroubles() }
  }

  /** Those that a notice has not reached at the last attempt. */
  get unreached(): readonly NoticeTargetView[] {
    return [...this.#deliveries.values()].map((delivery) => delivery.view()).filter(({ failure }) => failure !== null)
  }

  /** Tells every target of nothing, now, and once. Throws `E_NOTIFY_NONE`. */
  async test(): Promise<NoticeTestAnswer> {
    const { sender, redact, clock } = this.#options
    const targets = await this.#targets()
    if (targets.length === 0) {
      throw new DarumaError('E_NOTIFY_NONE', 'There is nowhere to send it: the active config has no `notify`.', {
        hint: "For example: notify: { webhook: 'https://hooks.example.com/daruma' }; then `daruma up`.",
      })
    }
    const notice: OutgoingNotice = composeTest(
      { id: this.#options.random.hex(8), at: clock.wallTime() },
      { sender: sender(), redact },
    )
    const answers = await Promise.all(
      targets.map(async ([, target]) => {
        const { isTaken, message } = await this.#deliver(target, notice)
        return { target: redact(nameOfTarget(target)), isTaken, message: redact(message) }
      }),
    )
    return { id: notice.id, answers }
  }

  async #look(): Promise<void> {
    const targets = await this.#targets()
    // Also without a target: what was recorded for earlier ones goes, and is not told to a later one.
    if (!this.#isLoaded) await this.#load()
    this.#keepDeliveries(targets)
    if (targets.length === 0) return this.#forgetAll()
    const { world, cron, clock } = this.#options
    const fate = await readRecord<FateRecord>(this.#options.store, keys.fate(world.lastRevision))
    const signs = readSigns({ world, entries: cron.entries, fate }, (key) => this.#troubles.get(key) !== null)
    for (const key of this.#troubles.look(signs, { nowMs: clock.now(), at: clock.wallTime() })) this.#dirty.add(key)
    const deliveries = [...this.#deliveries.values()]
    const isTold = (trouble: Trouble): boolean => deliveries.every((delivery) => delivery.hasTold(trouble))
    for (const key of this.#troubles.forget(isTold)) this.#dirty.add(key)
    await this.#write()
    for (const delivery of deliveries) await delivery.look()
  }

  /**
   * By what applies; before anything does, by what failed last. In the order of the config.
   */
  async #targets(): Promise<readonly (readonly [id: string, NotifyTarget])[]> {
    const { world, loadRevision } = this.#options
    const number = world.applied > 0 ? world.applied : asRevisionNumber(world.lastRevision)
    const revision = number === 0 ? null : await loadRevision(number)
    return (revision?.project.notify ?? []).map((target) => [idOf(target), target])
  }

  #keepDeliveries(targets: readonly (readonly [string, NotifyTarget])[]): void {
    const wanted = new Map(targets)
    for (const [id, delivery] of this.#deliveries) {
      if (wanted.has(id)) continue
      delivery.close()
      this.#deliveries.delete(id)
      this.#known.set(id, delivery.record)
    }
    for (const [id, target] of wanted) {
      const known = this.#deliveries.get(id)
      if (known === undefined) this.#deliveries.set(id, this.#makeDelivery(id, target))
      else known.target = target
      this.#known.delete(id)
    }
    // What the config does not name any more is told nothing, and nothing is kept for it.
    for (const id of this.#known.keys()) void this.#remove([keys.noticeTarget(id)]).then(() => this.#known.delete(id))
  }

  #makeDelivery(id: string, target: NotifyTarget): Delivery {
    const { clock, random, emit, redact, sender } = this.#options
    return new Delivery(target, this.#known.get(id) ?? { toldUpTo: 0, pending: null, attempts: 0 }, {
      clock,
      random,
      emit,
      redact,
      untold: (toldUpTo, topics) => untold(this.#troubles.list(), toldUpTo, topics),
      compose: (troubles) => composeNotice(troubles, { id: random.hex(8), at: clock.wallTime(), sender: sender(), redact }),
      deliver: (to, notice) => this.#deliver(to, notice),
      hold: (sending) => this.#hold(`send ${id}`, sending),
      // Where it cannot be written it is sent all the same.
      save: (record) =>
        this.#options.store.transact({ then: [put(keys.noticeTarget(id), record)] }).then(
          () => true,
          () => false,
        ),
    })
  }

  async #deliver(target: NotifyTarget, notice: OutgoingNotice): Promise<DeliveryAnswer> {
    const { secrets, deliver } = this.#options
    try {
      return await deliver(target, secrets.valuesForTarget(target), { id: notice.id, body: `${JSON.stringify(notice)}\n` })
    } catch (error) {
      return { isTaken: false, message: error instanceof Error ? error.message : String(error) }
    }
  }

  async #write(): Promise<void> {
    const batch = [...this.#dirty].slice(0, mostWrites)
    if (batch.length === 0) return
    const writes = batch.map((key): Operation => {
      const trouble = this.#troubles.get(key)
      return trouble === null ? remove(keys.trouble(key)) : put(keys.trouble(key), trouble)
    })
    try {
      await this.#options.store.transact({ then: writes })
      for (const key of batch) this.#dirty.delete(key)
    } catch {
      // They stay dirty, and are written with the next look.
    }
  }

  /** Nobody is to be told anything. */
  async #forgetAll(): Promise<void> {
    const troubles = this.#troubles.list()
    if (troubles.length === 0) return
    this.#troubles = new Troubles([], Math.max(...troubles.map(lastOf)))
    this.#dirty.clear()
    await this.#remove(troubles.map(({ key }) => keys.trouble(key)))
  }

  async #remove(records: readonly string[]): Promise<void> {
    await this.#options.store.transact({ then: records.map((key) => remove(key)) }).catch(() => undefined)
  }

  #view(id: string, target: NotifyTarget): NoticeTargetView {
    return (
      this.#deliveries.get(id)?.view() ?? {
        target: this.#options.redact(nameOfTarget(target)),
        on: target.on,
        isPending: false,
        lastTakenAt: null,
        failure: null,
      }
    )
  }

  #shownTroubles(): NoticesAnswer['troubles'] {
    const { redact } = this.#options
    return this.#troubles
      .list()
      .filter(({ over }) => over === null)
      .map(({ topic, service, message, cause, since }) => ({
        topic,
        service,
        message: redact(message),
        cause: cause === null ? null : redact(cause),
        since,
      }))
  }
}

const idOf = (target: NotifyTarget): string => createHash('sha256').update(identityOfTarget(target)).digest('hex').slice(0, 16)
