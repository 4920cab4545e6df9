/**
 * `daruma up`: plan, ask, apply, watch. The apply belongs to the daemon from the moment it is accepted; everything before that
 * leaves no trace, not even a daemon where there was none.
 */

import { resolve } from 'node:path'

import { balancerName } from '../../../core/balance/balancer-service.ts'
import { notifyName } from '../../../core/plan/plan-notify.ts'
import type { Plan, Step } from '../../../core/plan/plan.ts'
import type { OperationAnswer } from '../../../protocol/api.ts'
import { DarumaError } from '../../../ports/error.ts'
import { attach } from '../../daemon/attach.ts'
import { confirm } from '../../screen/confirm.ts'
import { connectStarted } from '../../daemon/connect.ts'
import type { Context } from '../../context.ts'
import { readSecrets } from '../../config/desired.ts'
import type { Invocation } from '../../tree/invocation.ts'
import { finishUnchanged, request, waitUntilIdle, watchOperation } from '../../daemon/operation.ts'
import {
  findObstacles,
  makePlan,
  type PlannedChange,
  refuseFormerOf,
  refuseObstacles,
  requireIdle,
} from '../../config/planned-change.ts'
import { deliverReleases, readSaved } from '../../releases/deliver.ts'
import { handOver } from '../../daemon/hand-over.ts'
import { claimSaved } from '../../config/ownership.ts'
import { requester } from '../../daemon/requester.ts'
import { assertFresh, readPlan } from '../../config/saved-plan.ts'
import { resolveState } from '../../daemon/state.ts'
import type { Client } from '../../daemon/client.ts'
import { printDiff, printPlan } from './plan.ts'

/** Each round is one change of the world between the plan and the yes; more than this is a fight, not a race. */
const maxRounds = 20

export async function up(context: Context, invocation: Invocation): Promise<number> {
  const planFile = invocation.text('plan')
  const result = planFile === null ? await applyConfig(context, invocation) : await applySaved(context, invocation, planFile)
  if (result.code !== 0 || result.client === null || !invocation.has('attach')) return result.code
  return attach(context, result.client)
}

interface Result {
  readonly code: number
  /** Null where the person said no before there was a daemon. */
  readonly client: Client | null
}

async function applyConfig(context: Context, invocation: Invocation): Promise<Result> {
  for (let round = 1; ; round += 1) {
    const change = await makePlan(context, invocation, { onIdle: true, mayAsk: true })
    if (change === null) return { code: 1, client: null }
    printPlan(context, invocation, change)
    await printDiff(context, invocation, change)
    if (change.answer.plan.steps.length === 0) {
      // Nothing, unless the host has lost files that what runs would need for its next start.
      if (change.client !== null) {
        await handOver(context, change.client, change)
        await deliverReleases(context, change.client, change.answer.project, change.releases)
      }
      return endUnchanged(context, invocation, change)
    }
    refuseObstacles(change.obstacles)
    const hasAsked = !invocation.has('yes')
    if (!(await confirm(context, invocation, 'Apply this?'))) return { code: 1, client: null }
    const client = change.client ?? (await connectStarted(context, change.state))
    await handOver(context, client, change)
    const isLast = round === maxRounds
    if (!(await tryDeliver(context, client, change, isLast))) continue
    const accepted = await tryApply(context, invocation, client, change, { hasAsked, isLast })
    if (accepted === null) continue
    const code = await watchOperation(context, invocation, client, accepted)
    if (code !== 0 && !invocation.json) noteTriedAgain(context, change.answer.plan)
    return { code, client }
  }
}

/** What had fallen before is tried again by every apply, and fails every one as long as it falls: nobody should be stuck with it. */
function noteTriedAgain({ terminal }: Context, { steps }: Plan): void {
  const services = steps.filter(({ service }) => service !== balancerName && service !== notifyName)
  const isSame = ({ kind, reasons }: Step): boolean =>
    (kind === 'restart' || kind === 'run-job') && reasons.every(({ field, note }) => field === '' && note !== 'new')
  const same = services.filter(isSame).map(({ service }) => service)
  const changed = services.filter((step) => !isSame(step)).map(({ service }) => service)
  if (same.length === 0 || changed.length === 0) return
  const only = changed.map((name) => `--only ${name}`).join(' ')
  terminal.note(`${same.join(', ')}: unchanged, only tried again. \`daruma up ${only}\` leaves that out.`)
}

/** The plan has said so already to a person; the stream for machines ends like every other. */
function endUnchanged(context: Context, invocation: Invocation, change: PlannedChange): Result {
  const code = invocation.json ? finishUnchanged(context, invocation, change.answer.plan.base) : 0
  return { code, client: change.client }
}

/** False when the plan has to be made again: files have changed since it was. */
async function tryDeliver(context: Context, client: Client, change: PlannedChange, isLast: boolean): Promise<boolean> {
  try {
    await deliverReleases(context, client, change.answer.project, change.releases)
    return true
  } catch (error) {
    const isChanged = error instanceof DarumaError && (error.code === 'E_SOURCE_CHANGING' || error.code === 'E_RELEASE_CONTENT')
    if (!isChanged || isLast) throw error
    context.terminal.note('Files of the source have changed meanwhile. The plan is now:')
    return false
  }
}

/** Null when the plan has to be made again: the world moved while the person was reading, or while this command waited its turn. */
async function tryApply(
  context: Context,
  invocation: Invocation,
  client: Client,
  change: PlannedChange,
  round: { readonly hasAsked: boolean; readonly isLast: boolean },
): Promise<OperationAnswer | null> {
  const { plan, project } = change.answer
  try {
    return await client.operate({
      kind: 'apply',
      by: requester(context, 'up', change.file),
      project,
      secrets: change.secrets,
      base: plan.base,
      fingerprint: round.hasAsked && change.client !== null ? plan.fingerprint : null,
      only: change.only,
    })
  } catch (error) {
    if (!(error instanceof DarumaError) || round.isLast) throw error
    const mayWait = invocation.has('wait')
    if (error.code === 'E_OPERATION_BUSY' && mayWait) {
      await waitUntilIdle(context, client)
      return null
    }
    if (error.code === 'E_PLAN_STALE' && (round.hasAsked || mayWait)) {
      context.terminal.note(`The state has changed meanwhile (${error.message}). The plan is now:`)
      return null
    }
    throw error
  }
}

/** What was saved was read and approved then: it is not asked again, and it is applied as it is or not at all. */
async function applySaved(context: Context, invocation: Invocation, planFile: string): Promise<Result> {
  if (invocation.list('only').length > 0) {
    throw new DarumaError('E_USAGE', '--only and --plan exclude each other.', { hint: 'Use --only with `daruma plan --out`.' })
  }
  const saved = readPlan(resolve(context.cwd, planFile))
  const named = resolveState(context, invocation)
  const hasName = invocation.text('state') !== null || (context.environment['DARUMA_STATE'] ?? '') !== ''
  const state = hasName ? named : { ...named, directory: saved.state }
  await refuseFormerOf(context, state, saved)
  const secrets = await readSecrets(context, saved.project)
  const client = await connectStarted(context, state)
  const from = await claimSaved(client, saved)
  if (from !== null) client.project = from
  await requireIdle(context, invocation, client)
  const releases = await readSaved(context, client, saved)
  const answer = await client.plan({ project: saved.project, secrets, isRollback: false, only: saved.only })
  assertFresh(saved, answer)
  const obstacles = await findObstacles(context, client, answer)
  const change = {
    file: saved.file,
    state,
    client,
    desired: saved.project,
    answer,
    only: saved.only,
    secrets,
    releases,
    obstacles,
    handOver: from,
  }
  printPlan(context, invocation, change)
  refuseObstacles(obstacles)
  await handOver(context, client, change)
  if (answer.plan.steps.length === 0) return endUnchanged(context, invocation, change)
  await deliverReleases(context, client, answer.project, releases)
  const accepted = await request(context, invocation, client, () =>
    client.operate({
      kind: 'apply',
      by: requester(context, 'up --plan', saved.file),
      project: answer.project,
      secrets,
      base: saved.plan.base,
      fingerprint: saved.plan.fingerprint,
      only: saved.only,
    }),
  )
  return { code: await watchOperation(context, invocation, client, accepted), client }
}
