/** From what a slot shall run to everything that the runtime needs to start it: environment, volumes, secrets, and the note beside it. */

import type { InstanceSpec } from '../core/instance/slot.ts'
import type { Epoch, SlotId } from '../core/model/id.ts'
import type { Service } from '../core/model/service.ts'
import { launchWords } from '../core/model/shell-command.ts'
import { containerVolumes, type ProcessOrder, type StartOrder } from '../ports/runtime.ts'
import type { StateDirectory } from '../ports/state-directory.ts'
import { composeEnvironment } from './environment.ts'
import type { StartNote } from './load.ts'
import type { SecretStore } from './secrets.ts'
import type { World } from './world.ts'

export interface OrderTools {
  readonly world: World
  readonly directory: StateDirectory
  readonly secrets: SecretStore
  readonly treeFor: (service: Service) => Promise<Pick<ProcessOrder, 'tree'>>
  readonly facts: {
    readonly host: string
    readonly home: (user: string | null) => string | Promise<string>
    readonly nodeDirectory: string
  }
}

export interface WantedStart {
  readonly slot: SlotId
  readonly epoch: Epoch
  readonly spec: InstanceSpec
  readonly port: number | null
}

/** May throw an operating error: a secret whose value is not known, a volume that cannot be made. */
export async function makeOrder(tools: OrderTools, start: WantedStart): Promise<StartOrder> {
  const { slot, epoch, spec, port } = start
  const { service } = spec
  const { runs } = service
  const { directory, world, secrets, facts } = tools
  const volumes: Record<string, string> = {}
  for (const { name, target } of service.volumes) {
    // An image has users of its own; its volumes are given to them by whoever starts it.
    const path = await directory.ensureVolume(name, runs.kind === 'process' ? runs.user : null)
    volumes[name] = runs.kind === 'process' ? path : (target ?? `${containerVolumes}/${name}`)
  }
  const { variables, files } = splitSecrets(service, secrets.valuesFor(service))
  const note: StartNote = { revision: spec.revision, generation: spec.generation, service, port }
  return {
    slot,
    epoch,
    runs: await renderRuns(tools, service, port),
    environment: composeEnvironment({
      spec,
      slot,
      epoch,
      // Inside a network of its own a program listens where its image says.
      port: port !== null && runs.kind === 'container' && runs.network === 'bridge' ? (runs.containerPort ?? port) : port,
      project: world.project?.name ?? '',
      stage: world.project?.stage ?? null,
      host: facts.host,
      home: await facts.home(runs.user),
      nodeDirectory: facts.nodeDirectory,
      secrets: variables,
      volumes,
    }),
    secretFiles: files,
    limits: service.limits,
    volumes: service.volumes,
    maxLogBytes: service.logs.maxBytes,
    note: JSON.stringify(note),
  }
}

function splitSecrets(
  { secrets }: Service,
  values: Readonly<Record<string, string>>,
): { readonly variables: Readonly<Record<string, string>>; readonly files: Readonly<Record<string, string>> } {
  const isFile = ([name]: readonly [string, string]): boolean => secrets[name]?.source.as === 'file'
  const all = Object.entries(values)
  return {
    variables: Object.fromEntries(all.filter((entry) => !isFile(entry))),
    files: Object.fromEntries(all.filter(isFile)),
  }
}

async function renderRuns(
  { world, secrets, treeFor }: OrderTools,
  service: Service,
  port: number | null,
): Promise<StartOrder['runs']> {
  const { runs, stop } = service
  if (runs.kind === 'process') {
    const { source: _source, ...rest } = runs
    return { ...rest, command: launchWords(runs.command, stop.signal), ...(await treeFor(service)) }
  }
  return {
    ...runs,
    command: runs.command === null ? null : launchWords(runs.command, stop.signal),
    project: world.project?.name ?? '',
    password: secrets.registryPasswordFor(service),
    hostPort: port,
  }
}
