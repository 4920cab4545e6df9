/**
 * What a config would change, before anybody is asked: by the daemon where one lives or has lived, else against nothing by the same
 * function that the daemon uses. A daemon is not started only to look at a first plan.
 */

import type { PlanAnswer, SecretValues } from '../../protocol/api.ts'
import type { Project } from '../../core/model/service.ts'
import { sortObstacles, startedBy, type Obstacles } from '../../core/plan/obstacles.ts'
import { foreseeStateFolder } from '../../system/state-folder.ts'
import { projectIdOf } from '../../core/model/project-id.ts'
import { DarumaError } from '../../ports/error.ts'
import { engineAway } from '../../ports/runtime/images.ts'
import type { ReadRelease } from '../../ports/runtime/source.ts'
import { stateNotWritable } from '../../ports/storage/state-directory.ts'
import { refuseFormer } from '../../protocol/former-states.ts'
import type { Client } from '../daemon/client.ts'
import { connect } from '../daemon/connect.ts'
import type { Context } from '../context.ts'
import { desiredProject } from './desired.ts'
import { settleOwnership } from './ownership.ts'
import type { Invocation } from '../tree/invocation.ts'
import { planFirst } from './first-plan.ts'
import { plural } from '../render/quantity.ts'
import { describeOperation } from '../render/status.ts'
import { evaluateConfig, resolveState, type StateDirectory } from '../daemon/state.ts'
import { waitUntilIdle } from '../daemon/operation.ts'
import { announceReleases } from '../releases/deliver.ts'

export interface PlannedChange {
  readonly file: string
  readonly state: StateDirectory
  /** Null where nothing was ever applied and no daemon runs. */
  readonly client: Client | null
  readonly desired: Project
  readonly answer: PlanAnswer
  /** What `--only` names; null for all. */
  readonly only: readonly string[] | null
  readonly secrets: SecretValues
  /** What the config's sources were read as. */
  readonly releases: readonly ReadRelease[]
  /** What will keep services from starting. */
  readonly obstacles: Obstacles
  /** The project that gets this config, and its name, before anything is applied; null where it is this config's already. */
  readonly handOver: string | null
  /** Nobody has said yet whose the name is: what is shown is the likely case. */
  readonly isOpen?: boolean
}

export interface PlanOptions {
  /** Not while somebody is at work. */
  readonly onIdle: boolean
  readonly mayAsk: boolean
  /** Ends the waiting for those who are at work: what comes back then is for nothing. */
  readonly signal?: AbortSignal
}

/** Null: asked whose the name is, the person wants nothing of it. */
export async function makePlan(context: Context, invocation: Invocation, options: PlanOptions): Promise<PlannedChange | null> {
  const config = await evaluateConfig(context, invocation)
  refuseOtherName(invocation, projectIdOf(config.project))
  const state = resolveState(context, invocation)
  await refuseFormerOf(context, state, config)
  const client = await connect(context, state, 'if-used')
  const { mayAsk } = options
  const claim = await settleOwnership(context, invocation, { config, client, state: state.directory, mayAsk })
  if (claim === null) return null
  const { isKnown, handOver, isOpen } = claim
  if (client !== null) client.project = claim.id
  if (client !== null && isKnown && options.onIdle) await requireIdle(context, invocation, client, options.signal)
  const { project, secrets } = await desiredProject(context, invocation, config, isKnown ? client : null)
  if (client === null) {
    const fault = foreseeStateFolder(state.directory)
    if (fault !== null) throw stateNotWritable(state.directory, fault)
    await requireEngine(context, project)
  }
  const named = invocation.list('only')
  const only = named.length === 0 ? null : named
  if (client !== null) await announceReleases(client, config.releases)
  const answer = client === null ? planFirst(project) : await client.plan({ project, secrets, isRollback: false, only })
  const obstacles = await findObstacles(context, client, answer)
  const { file, releases } = config
  return { file, state, client, desired: project, answer, only, secrets, releases, obstacles, handOver, isOpen }
}

/** Before a daemon is started for it. */
export async function refuseFormerOf(
  context: Context,
  { directory }: StateDirectory,
  { file, project: { name, stage } }: { readonly file: string; readonly project: Project },
): Promise<void> {
  refuseFormer(directory, await context.tools.findFormerStates(directory, { name, stage, file }))
}

/** Of all services that the plan starts, at once. */
export async function findObstacles(context: Context, client: Client | null, { plan, project }: PlanAnswer): Promise<Obstacles> {
  const services = startedBy(plan, project)
  if (services.length === 0) return { certain: [], open: [] }
  const wantsPorts = services.some(({ port, routes }) => port.kind === 'fixed' || routes.length > 0)
  const instances = client === null || !wantsPorts ? [] : (await client.status()).instances
  const ownPids = instances.flatMap(({ pid }) => pid ?? [])
  const daemonPid = client === null ? null : (await client.version()).pid
  return sortObstacles(await context.tools.preflight({ services, project, ownPids, daemonPid }), plan, project)
}

/** Throws `E_PLAN_OBSTACLES` naming all of them. */
export function refuseObstacles(
  { certain }: Obstacles,
  remedy: string = 'Fix what is named, or leave services out with --only.',
): void {
  if (certain.length === 0) return
  const width = certain.reduce((widest, { service }) => Math.max(widest, service.length), 0)
  const lines = certain.map(({ service, message }) => `  ${service.padEnd(width)}  ${message}`)
  const count = new Set(certain.map(({ service }) => service)).size
  throw new DarumaError('E_PLAN_OBSTACLES', `${plural(count, 'service')} cannot start as things are:\n${lines.join('\n')}`, {
    hint: `Nothing was changed. ${remedy}`,
  })
}

/** What is applied is what the config describes: -p can only say the same. */
function refuseOtherName(invocation: Invocation, id: string): void {
  const named = invocation.text('project')
  if (named === null || named === id) return
  throw new DarumaError('E_PROJECT_UNKNOWN', `The config is of the project ${id}, and -p names ${named}.`, {
    hint: `Leave -p away, name the config of ${named} with -f FILE, or change \`name\` in this one.`,
  })
}

/** What the daemon would say, before one is started for it. */
async function requireEngine(context: Context, project: Project): Promise<void> {
  const service = project.services.find(({ runs }) => runs.kind === 'container')
  const fault = service === undefined ? null : await context.tools.findEngineFault()
  if (service !== undefined && fault !== null) throw engineAway(service.name, fault)
}

/** Planning against a world that somebody is changing right now misleads: waits with --wait, is refused with their name otherwise. */
export async function requireIdle(context: Context, invocation: Invocation, client: Client, signal?: AbortSignal): Promise<void> {
  const current = await client.currentOperation()
  if (current === null || current.state === 'succeeded' || current.state === 'failed') return
  if (invocation.has('wait')) return waitUntilIdle(context, client, { signal })
  throw new DarumaError('E_OPERATION_BUSY', `Another operation is under way: ${describeOperation(current, Date.now())}.`, {
    hint: '`--wait` waits until it is done; `daruma status` shows it.',
  })
}
