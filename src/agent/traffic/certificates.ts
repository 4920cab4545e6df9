/**
 * What the routes' TLS needs, and what of it there is: certificates joined from files, certificates fetched by ACME, and the answers to
 * the challenges of an order that is under way. Until a name has a certificate its route is served without TLS (`make-table.ts`), so
 * that the challenge can be answered and nobody is sent to a port that has nothing to show.
 */

import { alarmBeforeDays, describeEnd, warnBeforeDays } from '../../core/balance/certificate-end.ts'
import type { HeldCertificate } from '../../core/balance/make-table.ts'
import { backoffMs } from '../../core/balance/renewal.ts'
import type { Event } from '../../core/model/event.ts'
import type { BalancerSettings } from '../../core/model/service.ts'
import type { CertificateKeeper, Challenge, OrderFailure, StoredCertificate } from '../../ports/traffic/certificates.ts'
import type { Clock, Timer } from '../../ports/clock.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Random } from '../../ports/random.ts'
import type { Store } from '../../ports/storage/store.ts'
import { put, readRecord } from '../../ports/storage/json-records.ts'
import type { SharedSettings } from './shared-wishes.ts'

export interface CertificatesOptions {
  /** Null: nothing is fetched or joined. */
  readonly certificates: CertificateKeeper | null
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  /** What the routes of all projects need. Another object when it may be another wish. */
  readonly wish: () => SharedSettings
  /** Is told when certificates or challenges have changed, and knows whether all of that has come to the balancer. */
  readonly traffic: { note(): void; isInForce(): boolean }
  readonly emit: (event: Event) => void
}

/** How an order for a domain went the last times. It outlives the daemon: a server's limits do too. */
export interface OrderRecord {
  readonly directory: string
  readonly failures: number
  /** ISO 8601, both. Older records have no `failedAt`. */
  readonly failedAt?: string
  readonly retryAt: string
}

const keyOf = (domain: string): string => `certificate/${domain}`

interface Wish {
  readonly domains: readonly string[]
  readonly files: readonly { readonly certificate: string; readonly key: string }[]
  readonly acme: BalancerSettings['acme']
}

/** Files may be renewed under us by another's program; nobody tells us. */
const lookMs = 60_000
const answerPollMs = 50
const dayMs = 86_400_000
/** A balancer that does not serve a challenge within this will not: the order is given up, and tried again later. */
const answerLimitMs = 30_000

export class Certificates {
  readonly #options: CertificatesOptions
  readonly #fetched = new Map<string, StoredCertificate>()
  readonly #joined = new Map<string, StoredCertificate>()
  readonly #challenges = new Map<string, string>()
  /** What was last told of a pair of files, so that it is told once. */
  readonly #complaints = new Map<string, string>()
  /** The warning that was told of each certificate, and until when it was told: each once for the time that is left. */
  readonly #warnings = new Map<string, { readonly text: string; readonly told: string }>()
  #wish: SharedSettings | null = null
  #hasListed = false
  #isLooking = false
  #isDirty = false
  #isClosed = false
  #ordering: string | null = null
  #timer: Timer | null = null

  constructor(options: CertificatesOptions) {
    this.#options = options
  }

  /** By ACME first, in the order of their names, then from files: the order never depends on when something came. */
  get held(): readonly HeldCertificate[] {
    const sorted = (map: ReadonlyMap<string, StoredCertificate>): readonly (readonly [string, StoredCertificate])[] =>
      [...map].toSorted(([a], [b]) => (a < b ? -1 : 1))
    return [
      ...sorted(this.#fetched).map(([, { certificate }]) => ({ certificate, source: null })),
      ...sorted(this.#joined).map(([source, { certificate }]) => ({ certificate, source })),
    ]
  }

  get challenges(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#challenges)
  }

  /** Of the certificates from files that end soon. */
  get warnings(): readonly string[] {
    return [...this.#warnings.values()].map(({ text }) => text)
  }

  get isLooking(): boolean {
    return this.#isLooking
  }

  /** To be called whenever there may be another wish; the one that was looked at last costs nothing. */
  note(): void {
    const wish = this.#options.wish()
    if (wish === this.#wish) return
    this.#wish = wish
    this.#lookSoon()
  }

  #lookSoon(): void {
    if (this.#options.certificates === null || this.#isClosed) return
    this.#isDirty = true
    if (this.#isLooking) return
    this.#isLooking = true
    void this.#lookUntilQuiet(this.#options.certificates)
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#options.certificates?.close()
  }

  async #lookUntilQuiet(keeper: CertificateKeeper): Promise<void> {
    let nextMs = lookMs
    while (this.#isDirty && !this.#isClosed) {
      this.#isDirty = false
      try {
        nextMs = await this.#look(keeper, wishOf(this.#wish))
      } catch (error) {
        this.#emit('certificate-failed', `Certificates could not be looked after: ${(error as Error).message}`, null)
      }
    }
    this.#isLooking = false
    this.#timer?.cancel()
    if (this.#isClosed || nextMs === Number.POSITIVE_INFINITY) return
    this.#timer = this.#options.clock.after(Math.min(nextMs, lookMs), () => this.#lookSoon())
  }

  /** Returns after how long to look again; never, when nothing is wanted. */
  async #look(keeper: CertificateKeeper, wish: Wish): Promise<number> {
    const before = JSON.stringify(this.held)
    if (wish.domains.length > 0 && !this.#hasListed) {
      for (const [domain, stored] of await keeper.list()) this.#fetched.set(domain, stored)
      this.#hasListed = true
    }
    for (const files of wish.files) await this.#join(keeper, files)
    const paths = new Set(wish.files.map(({ certificate }) => certificate))
    for (const path of this.#joined.keys()) if (!paths.has(path)) this.#joined.delete(path)
    for (const path of this.#warnings.keys()) if (!paths.has(path)) this.#warnings.delete(path)
    if (JSON.stringify(this.held) !== before) this.#options.traffic.note()
    await this.#orderNext(keeper, wish)
    return wish.files.length === 0 && wish.domains.length === 0 ? Number.POSITIVE_INFINITY : lookMs
  }

  /** A pair that cannot be used now leaves the previous one applied. */
  async #join(keeper: CertificateKeeper, files: { readonly certificate: string; readonly key: string }): Promise<void> {
    try {
      const joined = await keeper.join(files)
      this.#joined.set(files.certificate, joined)
      this.#complaints.delete(files.certificate)
      this.#warn(files.certificate, joined)
    } catch (error) {
      const { message } = error as Error
      if (this.#complaints.get(files.certificate) !== message) this.#emit('certificate-failed', message, null)
      this.#complaints.set(files.certificate, message)
    }
  }

  /** Of the time of day again, for the same reason as below. */
  #warn(path: string, { notAfter }: StoredCertificate): void {
    const { clock } = this.#options
    const isWithin = (days: number): boolean => notAfter <= clock.wallTimeOf(clock.now() + days * dayMs)
    const near = [alarmBeforeDays, warnBeforeDays].find(isWithin)
    const told = `${notAfter} ${near}`
    if (near === undefined) this.#warnings.delete(path)
    else if (this.#warnings.get(path)?.told !== told) {
      const text = describeEnd(path, notAfter)
      this.#warnings.set(path, { text, told })
      this.#emit('certificate-ending', text, `less than ${near} days are left`)
    }
  }

  /** One at a time: a config with fifty new names must not be fifty processes. */
  async #orderNext(keeper: CertificateKeeper, wish: Wish): Promise<void> {
    const { acme } = wish
    if (acme === null || this.#ordering !== null) return
    // The time of day, which no other decision reads: certificates are about it, and so is what servers say.
    const now = this.#options.clock.wallTime()
    for (const domain of wish.domains) {
      const stored = this.#fetched.get(domain)
      if (stored !== undefined && stored.renewAt > now) continue
      const record = await readRecord<OrderRecord>(this.#options.store, keyOf(domain))
      // A clock that shows a moment before the failure was wrong then or is wrong now: a rest by it could last for years.
      const isBefore = record !== null && (record.failedAt ?? '') <= now && now < record.retryAt
      const isResting = isBefore && record.directory === acme.directory
      if (isResting) continue
      this.#ordering = domain
      void this.#order(keeper, { domain, ...acme }, record?.directory === acme.directory ? record.failures : 0)
      return
    }
  }

  async #order(
    keeper: CertificateKeeper,
    order: { readonly domain: string } & NonNullable<Wish['acme']>,
    failures: number,
  ): Promise<void> {
    const { domain, directory } = order
    const tokens: string[] = []
    try {
      const stored = await keeper.order(order, (challenge) => {
        tokens.push(challenge.token)
        return this.#answer(challenge)
      })
      this.#fetched.set(domain, stored)
      this.#emit('certificate-fetched', `A certificate for ${domain} was fetched; it is valid until ${stored.notAfter}.`, null)
      if (stored.renewAt > this.#options.clock.wallTime()) await this.#remember(domain, null)
      else await this.#failed(domain, { directory, failures: failures + 1, error: new Error(dueAlready(domain)) })
    } catch (error) {
      // A daemon that ends has ended its orders itself; the next one takes them up.
      if (!this.#isClosed) await this.#failed(domain, { directory, failures: failures + 1, error: error as Error })
    } finally {
      for (const token of tokens) this.#challenges.delete(token)
      this.#ordering = null
      if (!this.#isClosed) {
        this.#options.traffic.note()
        this.#lookSoon()
      }
    }
  }

  async #failed(
    domain: string,
    failure: { readonly directory: string; readonly failures: number; readonly error: Error & Partial<OrderFailure> },
  ): Promise<void> {
    const { directory, failures, error } = failure
    const { clock, random } = this.#options
    const nowMs = clock.now()
    const retryAt = clock.wallTimeOf(nowMs + backoffMs(failures, random.fraction(), error.retryAfterMs ?? null))
    await this.#remember(domain, { directory, failures, failedAt: clock.wallTimeOf(nowMs), retryAt })
    const code = error instanceof DarumaError ? ` (${error.code})` : ''
    this.#emit('certificate-failed', `${error.message}${code}`, `it is tried again at ${retryAt}`)
  }

  /** Resolves when the balancer serves it. */
  #answer({ token, keyAuthorization }: Challenge): Promise<void> {
    const { clock } = this.#options
    this.#challenges.set(token, keyAuthorization)
    this.#options.traffic.note()
    const limitMs = clock.now() + answerLimitMs
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.#options.traffic.isInForce()) resolve()
        else if (this.#isClosed || clock.now() > limitMs) reject(new Error('the balancer does not serve the challenge'))
        else clock.after(answerPollMs, look)
      }
      // Never at once: what is applied now may be the table without it.
      clock.after(answerPollMs, look)
    })
  }

  async #remember(domain: string, record: OrderRecord | null): Promise<void> {
    const key = keyOf(domain)
    await this.#options.store
      .transact({ then: [record === null ? { kind: 'delete', key } : put(key, record)] })
      // A full disk: the rest is forgotten with this daemon, and no sooner.
      .catch((error: unknown) =>
        this.#emit('certificate-failed', `The order for ${domain} could not be written down: ${String(error)}`, null),
      )
  }

  #emit(kind: Event['kind'], message: string, cause: string | null): void {
    this.#options.emit({ kind, slot: null, epoch: null, message, cause })
  }
}

/** Without a rest the next one would be fetched at once, and the one after it. */
const dueAlready = (domain: string): string =>
  `The certificate for ${domain} is new, and due for the next one by the clock of this machine: is that right?`

function wishOf(shared: SharedSettings | null): Wish {
  const routes = shared?.routes ?? []
  const domains = routes.flatMap(({ tls, to }) => (tls.kind === 'automatic' && to.kind === 'domain' ? [to.domain] : []))
  const files = routes.flatMap(({ tls }) => (tls.kind === 'files' ? [{ certificate: tls.certificate, key: tls.key }] : []))
  return {
    domains: [...new Set(domains)].toSorted(),
    files: files.filter(({ certificate }, index) => files.findIndex((each) => each.certificate === certificate) === index),
    acme: shared?.settings.acme ?? null,
  }
}
