/**
 * One random history on a simulated machine: people ask for things, everything that can fail fails at any moment, and then it stops
 * and must all be well. Anytime: no slot runs twice, no epoch comes back, no job completes twice, no volume has two users. Eventually:
 * every operation ends. Finally: what should run runs, and the next daemon adopts it without a touch.
 */

import { updatePace } from '../core/keys/service/update.ts'
import type { Route, Service } from '../core/model/service.ts'
import { asServiceName, isRunSlot, slotId } from '../core/model/id.ts'
import type { ProjectId } from '../core/model/project-id.ts'
import type { Store } from '../ports/storage/store.ts'
import { type Instance, wordsOf } from './kernel.ts'
import { SimulatedMachine } from './machine.ts'
import { ownSlot, usual } from './place.ts'
import { aService, anImage } from './services.ts'
import { watchTicks } from './ticks.ts'

/** What a person may be told; anything else is a bug. */
const refusals: ReadonlySet<string | null> = new Set([
  null,
  'E_OPERATION_BUSY',
  'E_PLAN_STALE',
  'E_REVISION_UNKNOWN',
  'E_SERVICE_UNKNOWN',
  'E_SCALE_IMPOSSIBLE',
  'E_STORE_FULL',
  'E_SECRET_MISSING',
])

/** What went wrong, in sentences; empty when all is well. */
export async function runHistory(seed: number): Promise<readonly string[]> {
  const machine = new SimulatedMachine(seed)
  const history = new History(machine)
  await machine.begin()
  const steps = 10 + machine.random.below(25)
  for (let step = 0; step < steps; step += 1) await history.happen()
  await history.endWell()
  await history.checkAdoption()
  return complaintsOf(machine, [history])
}

export function complaintsOf(machine: SimulatedMachine, histories: readonly History[]): readonly string[] {
  return [
    ...machine.kernel.violations,
    ...histories.flatMap(({ complaints }) => complaints),
    ...machine.log.filter((line) => /TypeError|assert|BUG/i.test(line)),
  ]
}

/** What affects one project; what fails with the machine affects every other one on it, too. */
export class History {
  readonly complaints: string[] = []
  readonly #machine: SimulatedMachine
  readonly id: ProjectId
  /** Each apply has programs of its own, so that nothing completes twice by wish. */
  #version = 0
  #last: readonly Service[] = []
  #backup: Store | null = null
  /** Half of all histories have a balancer, and with it the witness of cut requests. */
  readonly #hasRoutes: boolean

  constructor(machine: SimulatedMachine, id: ProjectId = usual) {
    this.#machine = machine
    this.id = id
    this.#hasRoutes = machine.random.chance(0.5)
  }

  async happen(): Promise<void> {
    const { random, kernel } = this.#machine
    const [wish, fault] = [random.fraction(), random.fraction()]
    this.#machine.deathRate = random.chance(0.3) ? 0.01 : 0
    this.#machine.balancer.lossRate = random.chance(0.3) ? 0.2 : 0
    this.#machine.probeMs = random.chance(0.2) ? 400 : 0
    if (random.chance(0.15)) this.#ask()
    if (wish < 0.35) this.#note(await this.#machine.apply(this.#services(false), this.#secrets(), this.id))
    else if (wish < 0.65) this.#note(await this.#machine.ask(this.#wish(), this.id))
    const victims = kernel.running()
    if (fault < 0.3 && victims.length > 0) kernel.kill(random.pick(victims))
    else if (fault < 0.4 && victims.length > 0) Object.assign(random.pick(victims), { isSick: true, wasSick: true })
    else if (fault < 0.55) this.#machine.killDaemon()
    else if (fault < 0.6) this.#machine.reboot()
    else if (fault < 0.7) kernel.isDiskFull = true
    else if (fault < 0.73) this.#backup = await this.#machine.copyDatabase()
    else if (fault < 0.75 && this.#backup !== null) {
      this.#machine.restoreDatabase(this.#backup)
      this.#backup = null
      // What the lost events completed is known only from the slot's own files.
      kernel.completions.clear()
    }
    if (random.chance(0.15)) this.#machine.clock.stepWall(random.pick([-1, 1]) * random.pick([700, 5000, 3_600_000, 3e11]))
    await this.#machine.run(random.below(random.chance(0.2) ? 30_000 : 1500))
    if (random.chance(0.6)) kernel.isDiskFull = false
    if (random.chance(0.7)) await this.#machine.begin()
  }

  async endWell(): Promise<void> {
    const { kernel } = this.#machine
    this.#machine.deathRate = 0
    this.#machine.balancer.lossRate = 0
    this.#machine.probeMs = 0
    kernel.isDiskFull = false
    kernel.isCalm = true
    await this.#machine.begin()
    for (const instance of kernel.running()) instance.isSick = false
    await this.#machine.run(30_000)
    const hasEnd = await this.#machine.runUntil(() => this.#machine.daemon?.named(this.id).operations.current === null, 600_000)
    if (!hasEnd)
      this.complaints.push(`an operation has no end: ${JSON.stringify(this.#machine.daemon?.named(this.id).operations.current)}`)
    const services = this.#services(true)
    this.#note(await this.#machine.apply(services, this.#secrets(), this.id))
    if (!(await this.#machine.settle(300_000, this.id))) this.complaints.push(`not settled: ${this.#picture()}`)
    const programs = this.#programs()
    const wrong = programs.filter(({ order }) => wordsOf(order).at(-1) !== this.#versionWord)
    for (const { order } of wrong) this.complaints.push(`${order.slot} still runs ${wordsOf(order).join(' ')}`)
    const expected = services.reduce(
      (sum, { scale }) =>
        sum + (scale.kind === 'replicas' ? scale.count : scale.kind === 'job' || scale.kind === 'schedule' ? 0 : 1),
      0,
    )
    if (programs.length !== expected) this.complaints.push(`${programs.length} run, ${expected} should: ${this.#picture()}`)
    await this.#machine.run(3000)
    this.#compareRoutes()
    const { complaint } = await watchTicks(this.#machine, {
      service: asServiceName('tick'),
      everyMs: 2000,
      forMs: 30_000,
      project: this.id,
    })
    if (complaint !== null) this.complaints.push(complaint)
  }

  async checkAdoption(): Promise<void> {
    const before = this.#running()
    this.#machine.killDaemon()
    await this.#machine.settle(60_000)
    await this.#machine.run(5000)
    if (this.#running() !== before) this.complaints.push(`not adopted as it was: ${before} became ${this.#running()}`)
  }

  /** What is no operation: a run by hand, and the rest of the requests for what is tried out. Either may be refused. */
  #ask(): void {
    const { daemon } = this.#machine
    if (daemon === null) return
    const project = daemon.named(this.id)
    if (project.cron.entries.has(asServiceName('tick'))) void project.cron.runByHand(asServiceName('tick')).catch(() => {})
    void project.operations.trials.promote([]).catch(() => {})
  }

  /** Who gets requests is exactly who runs and has a route. */
  #compareRoutes(): void {
    const slots = new Set([0, 1, 2, 3, 4, 5].map((index) => slotId(asServiceName('web'), index)))
    const web = this.#programs().flatMap(({ order: { slot, epoch } }) => {
      const own = ownSlot(this.id, slot)
      return own !== null && slots.has(own) ? [`${this.id}/${own}#${epoch} active`] : []
    })
    const wanted = this.#hasRoutes ? web.toSorted() : []
    const upstreams = this.#machine.balancer.table?.pools.flatMap((pool) => pool.upstreams) ?? []
    const own = upstreams.filter(({ slot }) => slot.startsWith(`${this.id}/`))
    const routed = own.map(({ id, state }) => `${id} ${state}`).toSorted()
    if (routed.join() !== wanted.join()) this.complaints.push(`routed: ${routed.join(', ')}, running: ${wanted.join(', ')}`)
  }

  /** The last word of all programs that it has at last: no other project's program has it. */
  get #versionWord(): string {
    return this.id === usual ? `v${this.#version}` : `${this.id}-v${this.#version}`
  }

  get #route(): Route {
    return routeTo(`${this.id}.example`)
  }

  /** Of this project, runs of schedules left out. */
  #programs(): readonly Instance[] {
    return this.#machine.kernel.running().filter(({ order: { slot } }) => ownSlot(this.id, slot) !== null && !isRunSlot(slot))
  }

  #note(answer: string | null): void {
    if (!refusals.has(answer)) this.complaints.push(`answered ${answer}`)
  }

  #wish(): Parameters<SimulatedMachine['ask']>[0] {
    const { random } = this.#machine
    const services = [random.pick(['web', 'worker', 'db', 'front', 'tick'])]
    const kind = random.pick(['restart', 'stop', 'start', 'scale', 'rollback', 'down'] as const)
    if (kind === 'scale') return { kind, service: 'web', replicas: random.below(4) }
    if (kind === 'rollback') return { kind, revision: 1 + random.below(6) }
    return kind === 'down' ? { kind } : { kind, services }
  }

  #secrets(): Readonly<Record<string, Readonly<Record<string, string>>>> {
    return { worker: { TOKEN: `secret ${this.#version}` } }
  }

  /** A change that needs no new process: the routes, and how it is probed. */
  #otherPolicies(services: readonly Service[]): readonly Service[] {
    const { random } = this.#machine
    const routes = this.#hasRoutes && random.chance(0.5) ? [this.#route] : []
    const readiness = { ...probe, intervalMs: 500 + random.below(1000) }
    const health = { startup: null, readiness, liveness: null, startPeriodMs: 4000 }
    return services.map((service) => (service.name === 'web' ? { ...service, routes, health } : service))
  }

  #services(isSound: boolean): readonly Service[] {
    const { random } = this.#machine
    if (!isSound && this.#last.length > 0 && random.chance(0.3)) return this.#otherPolicies(this.#last)
    this.#last = this.#newServices(isSound)
    return this.#last
  }

  #newServices(isSound: boolean): readonly Service[] {
    const { random } = this.#machine
    this.#version += 1
    const version = this.#versionWord
    const program = (sound: string, others: readonly string[]): string =>
      `${isSound || random.chance(0.7) ? sound : random.pick(others)} ${version}`
    const has = (probability: number): boolean => isSound || random.chance(probability)
    const web = aService('web', program('serve', ['crash', 'sick', 'deaf']), {
      scale: { kind: 'replicas', count: 1 + random.below(3) },
      update: {
        ...updatePace,
        order: random.pick(['start-first', 'stop-first']),
        deadlineMs: 15_000,
        minReadyMs: 100,
        drainMs: 5000,
        surge: 1 + random.below(2),
        parallel: 1 + random.below(2),
        canary: random.chance(0.2) ? { share: 0.2, forMs: 3000, errorRate: 0.1 } : null,
      },
      routes: this.#hasRoutes ? [this.#route] : [],
      ...probed,
      after: has(0.5) ? [{ service: asServiceName('db'), condition: random.pick(['started', 'healthy']) }] : [],
    })
    const migrate = aService('migrate', program('finish', ['fail', 'crash']), { scale: { kind: 'job' } })
    const reference = { source: { from: 'environment', name: 'TOKEN' }, digest: null } as const
    const work = program('serve', ['crash', 'deaf'])
    const worker = aService('worker', work, {
      ...(random.chance(0.5) ? { runs: anImage(has(0.7) ? 'here' : 'nowhere', work) } : {}),
      secrets: { TOKEN: reference },
      after: [{ service: asServiceName('migrate'), condition: 'completed' }],
      update: { order: 'stop-first', deadlineMs: isSound ? 20_000 : random.pick([2000, 20_000]), minReadyMs: 100, ...updatePace },
    })
    const db = aService('db', program('serve', ['sick', 'deaf']), { ...probed, volumes: [{ name: 'data', target: null }] })
    const front = aService('front', program('serve', ['crash']), {
      after: [{ service: asServiceName('web'), condition: 'started' }],
    })
    const isService = !isSound && random.chance(0.15)
    const tick = aService('tick', program(isService ? 'serve' : 'work', ['fail', 'deaf']), {
      scale: isService
        ? { kind: 'singleton' }
        : {
            kind: 'schedule',
            schedule: {
              cron: isSound ? '*/2 * * * * *' : random.pick(['*/2 * * * * *', '*/3 * * * * *']),
              timezone: 'Europe/Berlin',
              missed: random.pick(['run-once', 'skip']),
              overlap: random.pick(['forbid', 'queue', 'replace']),
              timeoutMs: random.pick([1500, 4000]),
              retries: isSound ? 0 : random.below(2),
              retryLost: false,
              keep: 2,
            },
          },
    })
    return [web, migrate, worker, db, ...(has(0.6) ? [front] : []), ...(has(0.8) ? [tick] : [])]
  }

  #running(): string {
    return this.#machine.kernel
      .running()
      .filter(({ order }) => !isRunSlot(order.slot))
      .map(({ order, pid }) => `${order.slot} ${order.epoch} ${pid}`)
      .toSorted()
      .join(', ')
  }

  #picture(): string {
    const { daemon } = this.#machine
    const status = daemon?.status(daemon.named(this.id))
    return JSON.stringify([
      status?.operation,
      status?.instances.map(({ slot, state, health, reason }) => [slot, state, health, reason]),
    ])
  }
}

const probe = {
  check: { kind: 'http', path: '/', port: null, host: null },
  intervalMs: 1000,
  timeoutMs: 1000,
  retries: 2,
} as const
const routeTo = (domain: string): Route => ({
  to: { kind: 'domain', domain },
  path: '/',
  tls: { kind: 'none' },
  proxyProtocol: { accept: false, send: false },
  idempotent: false,
})
const probed: Pick<Service, 'health' | 'port'> = {
  port: { kind: 'auto' },
  health: { startup: null, readiness: probe, liveness: { ...probe, retries: 3 }, startPeriodMs: 4000 },
}
