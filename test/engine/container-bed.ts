/** The runtime of containers on a state directory of its own and a {@link TestEngine}; events are kept whole and in order. */

import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { hangLimit } from '../hang-limit.ts'
import { connectEngine, type ConnectionOptions, type EngineConnection } from '../../src/adapters/docker/connection.ts'
import { createContainers, type DockerOptions } from '../../src/adapters/docker/index.ts'
import { type SlotId, asEpoch, asServiceName, slotId } from '../../src/core/model/id.ts'
import type { Container } from '../../src/core/model/service.ts'
import type { Checkpoint } from '../../src/ports/checkpoint.ts'
import type {
  ContainerOrder,
  Discovery,
  InstanceRef,
  Runtime,
  RuntimeEvent,
  StartOrder,
} from '../../src/ports/runtime/runtime.ts'
import { cleanUp, makeWorkshop } from '../clean-up.ts'
import { until } from '../processes.ts'
import { readSlotLogText } from '../support/slot-log.ts'
import type { TestEngine } from './engine-kind.ts'

export const web: SlotId = slotId(asServiceName('web'), 0)

export const instance = (epoch: number, slot: SlotId = web): InstanceRef => ({ slot, epoch: asEpoch(epoch) })

export const aContainer = (over: Partial<Container> = {}): Container => ({
  kind: 'container',
  image: { from: 'registry', reference: 'bb:1' },
  pull: 'missing',
  registry: null,
  containerPort: null,
  readOnly: false,
  capabilities: [],
  network: 'none',
  command: null,
  directory: null,
  user: null,
  ...over,
})

/** A start order as a test says it: `runs` is what differs from {@link aContainer}. */
export type OrderOver = Partial<Omit<StartOrder, 'runs'>> & { readonly runs?: Partial<ContainerOrder> }

/** On a busy machine an engine that is well takes seconds to answer. */
const limits = { askMs: hangLimit(20_000), workMs: hangLimit(60_000), retryMs: 100, pollMs: 500, idleMs: 1000 } as const

/** Short, so that a test of a frozen engine takes seconds. */
export const impatient = { ...limits, askMs: 3000, workMs: 5000 } as const

type BedOptions = DockerOptions & ConnectionOptions

export class ContainerBed {
  readonly state: string
  readonly stateId: string
  readonly events: RuntimeEvent[] = []
  readonly faults: (string | null)[] = []
  readonly warnings: string[] = []
  readonly engine: TestEngine
  readonly #limits: NonNullable<BedOptions['limits']>
  connection!: EngineConnection
  runtime!: Runtime
  discovery!: Discovery

  private constructor(engine: TestEngine, options: Partial<BedOptions>) {
    this.engine = engine
    this.stateId = options.stateId ?? randomBytes(8).toString('hex')
    this.#limits = options.limits ?? limits
    this.state = join(makeWorkshop(), 'state')
    mkdirSync(this.state)
  }

  static async open(t: TestContext, engine: TestEngine, options: Partial<BedOptions> = {}): Promise<ContainerBed> {
    const bed = new ContainerBed(engine, options)
    t.after(() => bed.#destroy())
    await bed.reopen(options)
    return bed
  }

  /** What a new daemon does after the old one was killed: nothing is ended, everything is found again. */
  async reopen(options: Partial<BedOptions> = {}): Promise<void> {
    await this.close()
    this.events.length = 0
    this.faults.length = 0
    const whole: BedOptions = {
      stateDirectory: this.state,
      stateId: this.stateId,
      environment: this.engine.environment,
      checkpoint: null as Checkpoint,
      log: { write: (_level, message, detail) => this.warnings.push(`${message} ${JSON.stringify(detail)}`) },
      onEngine: (fault) => this.faults.push(fault),
      limits: this.#limits,
      ...options,
    }
    this.connection = connectEngine(whole)
    this.runtime = createContainers(whole, this.connection)
    this.discovery = await this.runtime.discover((event) => this.events.push(event))
  }

  async close(): Promise<void> {
    await this.runtime?.[Symbol.asyncDispose]()
    this.connection?.[Symbol.dispose]()
  }

  order(epoch: number, command: readonly string[], { runs, ...more }: OrderOver = {}): StartOrder {
    return {
      ...instance(epoch),
      runs: {
        ...aContainer({ command: command.length === 0 ? null : command }),
        project: 'test',
        password: null,
        hostPort: null,
        ...runs,
      },
      environment: { DARUMA_SLOT: more.slot ?? web, DARUMA_EPOCH: `${epoch}` },
      limits: { cpuCores: null, memoryBytes: null, pids: null },
      volumes: [],
      secretFiles: {},
      ulimits: {},
      maxLogBytes: 1 << 24,
      note: `{"epoch":${epoch}}`,
      isRetry: false,
      ...more,
    }
  }

  async run(
    epoch: number,
    command: readonly string[],
    more: OrderOver = {},
  ): Promise<Extract<RuntimeEvent, { kind: 'started' }>> {
    const refusal = await this.runtime.start(this.order(epoch, command, more))
    if (refusal !== null) throw new Error(`refused: ${JSON.stringify(refusal)}`)
    return this.event('started', epoch, more.slot)
  }

  async event<Kind extends RuntimeEvent['kind']>(
    kind: Kind,
    epoch: number,
    slot: SlotId = web,
    limitMs: number = 20_000,
  ): Promise<Extract<RuntimeEvent, { kind: Kind }>> {
    const find = (): RuntimeEvent | undefined =>
      this.events.find((event) => event.kind === kind && event.epoch === epoch && event.slot === slot)
    try {
      return (await until(`${kind} of epoch ${epoch}`, limitMs, () => find() ?? null)) as Extract<RuntimeEvent, { kind: Kind }>
    } catch (error) {
      throw new Error(`${(error as Error).message}; seen: ${JSON.stringify(this.events)}\n${this.warnings.join('\n')}`, {
        cause: error,
      })
    }
  }

  name(slot: SlotId = web): string {
    return `daruma-${this.stateId}_${slot.replace('/', '.')}`
  }

  /** Of this state, in whatever condition. */
  list(): readonly string[] {
    return this.engine
      .docker(
        'ps',
        '-a',
        '--filter',
        `label=daruma.state=${this.stateId}`,
        '--format',
        '{{.Names}} {{.Label "daruma.epoch"}} {{.State}}',
      )
      .split('\n')
      .filter((line) => line !== '')
  }

  /** The ids of this state's networks. */
  networks(): readonly string[] {
    return this.engine.docker('network', 'ls', '-q', '--filter', `label=daruma.state=${this.stateId}`).split('\n').filter(Boolean)
  }

  log(slot: SlotId = web): string {
    return readSlotLogText(this.state, slot.replace('/', '.'))
  }

  async #destroy(): Promise<void> {
    try {
      await this.close()
      if (!(await this.engine.ping())) return
      for (const line of this.list()) this.engine.docker('rm', '-f', line.split(' ')[0] ?? '')
      for (const id of this.networks()) this.engine.docker('network', 'rm', id)
    } finally {
      await cleanUp(join(this.state, '..'), this.state)
    }
  }
}
