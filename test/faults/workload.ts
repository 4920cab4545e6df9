/**
 * What runs while faults are inflicted. Names carry the round, so that one witness can watch many rounds. Every fourth round has
 * PostgreSQL and every fourth a program that double-forks and closes its descriptors; the others take turns with what stands behind a
 * balancer, what a schedule starts each second, and what an engine runs.
 */

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { needsEngine } from '../engine/lab-engine.ts'
import { fixtures, type Machine, reporter, type Services } from '../daemon-harness.ts'
import { freePorts } from '../free-ports.ts'
import { until } from '../processes.ts'

export type WorkloadKind = 'reporters' | 'postgres' | 'double-fork' | 'balanced' | 'balanced-haproxy' | 'scheduled' | 'containers'

export interface Workload {
  readonly kind: WorkloadKind
  /** The slot that faults aim at first. */
  readonly target: string
  /** Slots of Daruma's own services. */
  readonly builtIn: readonly string[]
  /** What the config says beside its services. */
  readonly project: Readonly<Record<string, unknown>>
  /** A service's name in this round. */
  name(service: string): string
  /** `value` changes the environment, and so makes another revision that replaces every process. */
  services(value: string): Services
  /** What must hold beyond "everything runs": that requests are answered, that ticks come and no tick came twice. */
  prove(machine: Machine): Promise<void>
}

const hasPostgres = globSync('/usr/lib/postgresql/*/bin/postgres').length > 0 && process.getuid?.() === 0
const hasHaproxy = existsSync('/usr/sbin/haproxy')

function kindOf(round: number): WorkloadKind {
  if (round % 4 === 1) return hasPostgres ? 'postgres' : 'double-fork'
  if (round % 4 === 3) return 'double-fork'
  const haproxy = hasHaproxy ? 'balanced-haproxy' : 'balanced'
  const containers = needsEngine === false ? 'containers' : 'reporters'
  const kinds: readonly WorkloadKind[] = ['reporters', 'balanced', 'scheduled', haproxy, containers]
  return kinds[(round / 2) % kinds.length]!
}

const quick = { restart: { delay: '20ms', maxDelay: '200ms' }, stop: { gracePeriod: '2s' }, update: { minReady: '100ms' } }

export async function workloadOf(round: number): Promise<Workload> {
  const kind = kindOf(round)
  const name = (service: string): string => `r${round}-${service}`
  const worker = (value: string): Services => ({
    [name('worker')]: { ...reporter(), ...quick, environment: { MODE: 'healthy', VALUE: value }, singleton: true },
  })
  const web = (value: string): Readonly<Record<string, unknown>> => ({
    ...reporter(),
    ...quick,
    environment: { MODE: 'healthy', VALUE: value },
    replicas: 2,
    health: { http: '/healthz', interval: '100ms' },
  })
  const plain = { kind, name, builtIn: [], project: {}, prove: async () => {} }
  switch (kind) {
    case 'reporters':
      return { ...plain, target: `${name('worker')}/0`, services: (value) => ({ ...worker(value), [name('web')]: web(value) }) }
    case 'postgres':
      return { ...plain, target: `${name('db')}/0`, services: (value) => ({ [name('db')]: postgres(value) }) }
    case 'double-fork':
      return {
        ...plain,
        target: `${name('forker')}/0`,
        services: (value) => ({
          [name('forker')]: {
            ...quick,
            command: [join(fixtures, 'double-fork.sh'), 'stay'],
            environment: { MODE: 'stubborn', VALUE: value },
            singleton: true,
          },
          ...worker(value),
        }),
      }
    case 'balanced':
    case 'balanced-haproxy': {
      const [port] = await freePorts(1)
      return {
        ...plain,
        // The balancer as often as what stands behind it.
        target: round % 16 < 8 ? '@balancer/0' : `${name('web')}/0`,
        builtIn: ['@balancer/0'],
        project: { balancer: { program: kind === 'balanced' ? 'embedded' : 'haproxy', address: '127.0.0.1' } },
        services: (value) => ({
          ...worker(value),
          [name('web')]: { ...web(value), route: { port }, update: { minReady: '100ms', drain: '2s' } },
        }),
        prove: () => proveAnswers(port!),
      }
    }
    case 'containers':
      return {
        ...plain,
        target: `${name('box')}/0`,
        services: (value) => ({
          ...worker(value),
          [name('box')]: container(value, { singleton: true }),
          [name('boxes')]: container(value, { replicas: 2 }),
        }),
      }
    case 'scheduled':
      return {
        ...plain,
        target: `${name('worker')}/0`,
        services: (value) => ({
          ...worker(value),
          [name('tick')]: {
            command: 'echo "$DARUMA_SLOT $DARUMA_EPOCH" >>ticks; sleep 0.6',
            environment: { VALUE: value },
            schedule: { cron: '* * * * * *', overlap: 'forbid', keep: 5 },
            stop: { gracePeriod: '2s' },
          },
        }),
        prove: proveTicks,
      }
  }
}

/** The image that each lab engine has. */
function container(value: string, kind: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const command = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done']
  return { ...quick, ...kind, image: 'bb:1', pull: 'never', command, environment: { VALUE: value } }
}

function postgres(value: string): Readonly<Record<string, unknown>> {
  return {
    ...quick,
    command: [join(fixtures, 'postgres.sh')],
    directory: '/',
    singleton: true,
    user: 'postgres',
    volumes: ['data'],
    environment: { VALUE: value },
    stop: { signal: 'SIGINT', gracePeriod: '5s' },
    health: { tcp: true, interval: '100ms', startPeriod: '30s' },
  }
}

/** Through the balancer: once, and then without exception. */
async function proveAnswers(port: number): Promise<void> {
  const ask = (): Promise<string> =>
    fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(2000) }).then(
      async (answer) => `${answer.status} ${await answer.text()}`,
      (error: Error) => `${error.message} ${String(error.cause)}`,
    )
  await until('the balancer passes requests on', 20_000, async () => (await ask()).startsWith('200 '), 50)
  for (let count = 0; count < 20; count += 1) {
    const answer = await ask()
    if (!answer.startsWith('200 ')) throw new Error(`the balancer answers ${answer}`)
  }
}

/** Every tick that began has begun once, and they go on coming. */
async function proveTicks(machine: Machine): Promise<void> {
  const begun = (): readonly string[] => {
    const file = join(dirname(machine.config), 'ticks')
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  }
  const before = begun().length
  await until('ticks go on', 15_000, () => begun().length > before + 1)
  const slots = begun().map((line) => line.split(' ', 1)[0]!)
  const twice = slots.filter((slot, index) => slots.indexOf(slot) !== index)
  if (twice.length > 0) throw new Error(`began twice: ${twice.join(', ')}`)
}
