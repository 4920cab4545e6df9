/** From what a slot should run to everything that the runtime needs to start it: environment, volumes, secrets, and the note beside it. */

import type { InstanceSpec } from '../../core/instance/slot.ts'
import type { Epoch, SlotId } from '../../core/model/id.ts'
import type { Service } from '../../core/model/service.ts'
import { launchWords } from '../../core/model/shell-command.ts'
import { containerVolumes, type ProcessOrder, type StartOrder } from '../../ports/runtime/runtime.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Assignment, SecretValues } from '../../ports/exchange.ts'
import type { StateDirectory } from '../../ports/storage/state-directory.ts'
import { composeEnvironment } from './environment.ts'
import type { StartNote } from './start-note.ts'

/** What an agent knows of its host. */
export interface HostFacts {
  readonly host: string
  readonly home: (user: string | null) => string | Promise<string>
  readonly nodeDirectory: string
}

export interface StartRequestTools {
  readonly directory: StateDirectory
  readonly facts: HostFacts
  /** As the server last sent them for the slot. */
  readonly project: Assignment['project']
  readonly secrets: Assignment['secrets']
  readonly treeFor: (service: Service) => Promise<Pick<ProcessOrder, 'tree'>>
}

export interface WantedStart {
  readonly slot: SlotId
  readonly epoch: Epoch
  readonly spec: InstanceSpec
  readonly port: number | null
  readonly isRetry: boolean
}

/** May throw an operating error: a secret whose value is not known, a volume that cannot be made. */
export async function buildStartRequest(tools: StartRequestTools, start: WantedStart): Promise<StartOrder> {
  const { slot, epoch, spec, port, isRetry } = start
  const { service } = spec
  const { runs } = service
  const { directory, project, facts } = tools
  const secrets = knownSecrets(tools.secrets)
  const volumes: Record<string, string> = {}
  for (const { name, target } of service.volumes) {
    // An image has users of its own; its volumes are given to them by anything that starts it.
    const path = await directory.ensureVolume(name, runs.kind === 'process' ? runs.user : null)
    volumes[name] = runs.kind === 'process' ? path : (target ?? `${containerVolumes}/${name}`)
  }
  const { variables, files } = splitSecrets(service, secrets.values)
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
      project: project.name,
      stage: project.stage,
      host: facts.host,
      home: await facts.home(runs.user),
      nodeDirectory: facts.nodeDirectory,
      secrets: variables,
      volumes,
    }),
    secretFiles: files,
    limits: service.limits,
    ulimits: service.ulimits,
    volumes: service.volumes,
    maxLogBytes: service.logs.maxBytes,
    note: JSON.stringify(note),
    isRetry,
  }
}

function knownSecrets(secrets: Assignment['secrets']): SecretValues {
  if (secrets === null) return { values: {}, registryPassword: null }
  if ('missing' in secrets) throw new DarumaError('E_SECRET_MISSING', secrets.missing)
  return secrets
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

async function renderRuns(tools: StartRequestTools, service: Service, port: number | null): Promise<StartOrder['runs']> {
  const { runs, stop } = service
  if (runs.kind === 'process') {
    const { source: _source, ...rest } = runs
    return { ...rest, command: launchWords(runs.command, stop.signal), ...(await tools.treeFor(service)) }
  }
  return {
    ...runs,
    command: runs.command === null ? null : launchWords(runs.command, stop.signal),
    project: tools.project.name,
    password: knownSecrets(tools.secrets).registryPassword,
    hostPort: port,
  }
}
