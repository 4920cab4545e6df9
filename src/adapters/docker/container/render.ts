/** From a start order to what the engine is asked to create: pure. Everything that an engine could do by itself is turned off. */

import { entriesOf } from '../../../core/values/ulimits.ts'
import { parseSlotId, type SlotId } from '../../../core/model/id.ts'
import type { Container, ImageSource } from '../../../core/model/service.ts'
import { isWaitingShell } from '../../../core/model/shell-command.ts'
import { secretVariables } from '../../../host/secret-files.ts'
import { type ContainerOrder, type StartOrder, containerVolumes } from '../../../ports/runtime/runtime.ts'
import type { ContainerCreate, HostConfig } from '../engine/engine-api.ts'
import { networkName } from '../network.ts'
import { labels } from '../engine/parse.ts'

/** The name is the lock: an engine gives it to one container at a time. No slot's name holds an underscore, so no two projects meet in one. */
export function containerName(stateId: string, slot: SlotId): string {
  return `daruma-${stateId}_${slot.replace('/', '.').replaceAll(/[^a-zA-Z0-9_.-]/g, '_')}`
}

/** What the engine calls the image. One that we bring here ourselves is called by its content, so that another content is another image. */
export function imageName(image: ImageSource, project: string, service: string): string {
  if (image.from === 'registry') return image.reference
  return `daruma/${project}-${service}:${(image.digest ?? 'unknown').replace(/^sha256:/, '').slice(0, 12)}`
}

export type ContainerStart = StartOrder & { readonly runs: ContainerOrder }

export interface CreateInput {
  readonly order: ContainerStart
  readonly stateId: string
  readonly stateDirectory: string
  readonly image: string
  readonly hostAddress: string
  readonly logBytes: number
  /** On this host; null where it is given none. */
  readonly secretFolder: string | null
  readonly engine: { readonly name: 'docker' | 'podman'; readonly hasInit: boolean }
}

/** Where Compose has them, too. */
const containerSecrets = '/run/secrets'

export function renderCreate(input: CreateInput): ContainerCreate {
  const { order, stateId, engine } = input
  const { runs } = order
  const { network, hostPort } = runs
  const inside = network === 'bridge' && hostPort !== null ? (runs.containerPort ?? hostPort) : null
  return {
    name: containerName(stateId, order.slot),
    Image: input.image,
    ...(runs.command === null ? {} : { Cmd: [...runs.command] }),
    ...(runs.directory === null ? {} : { WorkingDir: runs.directory }),
    ...(runs.user === null ? {} : { User: runs.user }),
    Env: Object.entries({
      ...order.environment,
      ...secretVariables(containerSecrets, order.secretFiles),
      ...initEnvironment(order, engine),
    }).map(([name, value]) => `${name}=${value}`),
    Labels: {
      [labels.state]: stateId,
      [labels.slot]: order.slot,
      [labels.epoch]: `${order.epoch}`,
      [labels.note]: order.note,
      [labels.directory]: input.stateDirectory,
    },
    // Health is asked by us, and nobody should act on two opinions.
    Healthcheck: { Test: ['NONE'] },
    Tty: false,
    OpenStdin: false,
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    ...(inside === null ? {} : { ExposedPorts: { [`${inside}/tcp`]: {} } }),
    HostConfig: {
      // We alone decide what is started, after a reboot too.
      RestartPolicy: { Name: 'no' },
      AutoRemove: false,
      NetworkMode: network === 'bridge' ? networkName(stateId) : network,
      ...(inside === null ? {} : { PortBindings: { [`${inside}/tcp`]: [{ HostIp: '127.0.0.1', HostPort: `${hostPort}` }] } }),
      ...(network === 'bridge' ? { ExtraHosts: [`host.docker.internal:${input.hostAddress}`] } : {}),
      Mounts: [
        ...order.volumes.map(({ name, target }) => ({
          Type: 'bind' as const,
          Source: `${input.stateDirectory}/volumes/${name}`,
          Target: target ?? `${containerVolumes}/${name}`,
        })),
        ...(input.secretFolder === null
          ? []
          : [{ Type: 'bind' as const, Source: input.secretFolder, Target: containerSecrets, ReadOnly: true as const }]),
      ],
      LogConfig: renderLog(input),
      Init: engine.hasInit,
      ...renderConfinement(runs),
      ...renderLimits(order),
    },
    ...(network === 'bridge' ? { NetworkingConfig: renderNetworking(order, stateId) } : {}),
  }
}

/** A name answers with all of its service's containers; it comes and goes with each of them, by the engine's own hand. */
function renderNetworking(order: ContainerStart, stateId: string): NonNullable<ContainerCreate['NetworkingConfig']> {
  const { service } = parseSlotId(order.slot)
  return { EndpointsConfig: { [networkName(stateId)]: { Aliases: [service] } } }
}

function renderConfinement(container: Container): Partial<HostConfig> {
  return {
    CapDrop: ['ALL'],
    CapAdd: [...container.capabilities],
    SecurityOpt: ['no-new-privileges'],
    ReadonlyRootfs: container.readOnly,
    // A program that can write nowhere at all seldom starts.
    ...(container.readOnly ? { Tmpfs: { '/tmp': '', '/run': '' } } : {}),
  }
}

function renderLimits({ limits, ulimits }: StartOrder): Partial<HostConfig> {
  const { cpuCores, memoryBytes, pids } = limits
  return {
    ...(cpuCores === null ? {} : { NanoCpus: Math.round(cpuCores * 1e9) }),
    // Swap would turn "out of memory" into "hangs for minutes", so it is not added to the limit.
    ...(memoryBytes === null ? {} : { Memory: memoryBytes, MemorySwap: memoryBytes }),
    ...(pids === null ? {} : { PidsLimit: pids }),
    ...(entriesOf(ulimits).length === 0
      ? {}
      : { Ulimits: entriesOf(ulimits).map(([Name, { soft: Soft, hard: Hard }]) => ({ Name, Soft, Hard })) }),
  }
}

const maxCopyBytes = 16 * 1024 * 1024

/**
 * The engine's own copy only bridges the time in which no daemon takes it in; the slot's log is the one that is kept. Podman has one
 * file only: when it is full it restarts, and what nobody has read by then (Podman looks every 250 ms) is lost. So it is long.
 */
function renderLog({ engine, logBytes }: CreateInput): NonNullable<HostConfig['LogConfig']> {
  const isPodman = engine.name === 'podman'
  const bytes = isPodman ? maxCopyBytes : Math.min(Math.max(logBytes, 256 * 1024), maxCopyBytes)
  const size = { 'max-size': `${Math.ceil(bytes / 1024)}k` }
  return { Type: 'json-file', Config: isPodman ? size : { ...size, 'max-file': '2' } }
}

/** A shell that waits does not hand its signal on; the little init in front of it can reach both (tini(1), TINI_KILL_PROCESS_GROUP). */
function initEnvironment(order: ContainerStart, engine: { readonly hasInit: boolean }): Readonly<Record<string, string>> {
  return engine.hasInit && isWaitingShell(order.runs.command ?? []) ? { TINI_KILL_PROCESS_GROUP: '1' } : {}
}
