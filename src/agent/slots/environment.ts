/**
 * What a process finds in its environment. It is made from the config alone, never from the daemon's own: anything that starts the daemon
 * (a shell, systemd, a rescue session) must not change what a service sees.
 */

import type { InstanceSpec } from '../../core/instance/slot.ts'
import type { Epoch, SlotId } from '../../core/model/id.ts'
import { servicePath } from '../../core/model/service-path.ts'

export interface EnvironmentInput {
  readonly spec: InstanceSpec
  readonly slot: SlotId
  readonly epoch: Epoch
  readonly port: number | null
  readonly project: string
  readonly stage: string | null
  readonly host: string
  readonly home: string
  /** Appended to PATH, so that `node` is found on a machine that has only the one daruma runs on. */
  readonly nodeDirectory: string
  readonly secrets: Readonly<Record<string, string>>
  /** Volume name → directory. */
  readonly volumes: Readonly<Record<string, string>>
}

export function composeEnvironment(input: EnvironmentInput): Readonly<Record<string, string>> {
  const { spec, slot, epoch, port, volumes } = input
  const { runs } = spec.service
  const release = runs.kind === 'process' ? (runs.source?.digest ?? null) : null
  return {
    // What an image says of its own PATH and HOME stays: this host's would be wrong inside.
    ...(spec.service.runs.kind === 'process' ? hostEnvironment({ ...input, user: spec.service.runs.user }) : {}),
    ...spec.service.environment,
    ...input.secrets,
    ...(port === null ? {} : { PORT: String(port) }),
    ...Object.fromEntries(Object.entries(volumes).map(([name, directory]) => [volumeVariable(name), directory])),
    DARUMA_PROJECT: input.project,
    DARUMA_SERVICE: spec.service.name,
    DARUMA_SLOT: slot,
    DARUMA_EPOCH: String(epoch),
    DARUMA_HOST: input.host,
    DARUMA_REVISION: String(spec.revision),
    ...(release === null ? {} : { DARUMA_RELEASE: release.slice(0, 12) }),
    ...(input.stage === null ? {} : { DARUMA_STAGE: input.stage }),
  }
}

/** What every process of a user finds, whatever it is for. */
export function hostEnvironment(
  how: Pick<EnvironmentInput, 'nodeDirectory' | 'home'> & { readonly user: string | null },
): Readonly<Record<string, string>> {
  const { user, nodeDirectory, home } = how
  return {
    PATH: servicePath(nodeDirectory),
    LANG: 'C.UTF-8',
    HOME: home,
    ...(user === null ? {} : { USER: user, LOGNAME: user }),
  }
}

/** `pg-data` → `DARUMA_VOLUME_PG_DATA`. */
const volumeVariable = (name: string): string => `DARUMA_VOLUME_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`
