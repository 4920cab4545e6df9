/**
 * Turns what was asked into an intent: the revision to make true and the services it touches. Everything is checked here, before anything
 * is written; what comes out of here either happens or is rolled back.
 */

import { balancerName } from '../core/balance/balancer-service.ts'
import { defaultBalancer as balancer } from '../core/keys/balancer.ts'
import type { RevisionNumber, ServiceName } from '../core/model/id.ts'
import { asRevisionNumber, asServiceName, parseSlotId } from '../core/model/id.ts'
import { planChanges } from '../core/plan/plan-changes.ts'
import type { PlanInput } from '../core/plan/plan-changes.ts'
import type { PlanOutcome } from '../core/plan/plan-changes.ts'
import { findClash } from '../core/plan/clashes.ts'
import { summarise } from '../core/plan/summarise.ts'
import { notifyName } from '../core/plan/plan-notify.ts'
import type { LearnedTimes } from '../core/plan/learned-times.ts'
import type { Manifests } from '../core/plan/difference.ts'
import type { Plan } from '../core/plan/plan.ts'
import type { Recorded } from '../core/plan/recorded.ts'
import type { Project, Service } from '../core/model/service.ts'
import type { InstanceStatus } from '../core/model/status.ts'
import type { Clock } from '../ports/clock.ts'
import { DarumaError } from '../ports/error.ts'
import { engineAway } from '../ports/runtime/images.ts'
import type { OperationRequest, PlanAnswer, PlanRequest, Requester } from '../protocol/api.ts'
import type { Intent } from './operations/intent.ts'
import type { RevisionRecord } from './records.ts'
import type { ProjectReleases } from './releases/project-releases.ts'
import type { SecretStore } from './secrets.ts'
import type { World } from './world/world.ts'

/** What a plan says of the balancer. */
export type BalancerForPlan = Pick<PlanInput, 'balancer' | 'isBalancerShared'>

export interface RequestTools {
  readonly world: World
  readonly secrets: Pick<SecretStore, 'seal' | 'accept'>
  readonly clock: Clock
  readonly observe: () => readonly InstanceStatus[]
  /** How long a service took to start and to stop so far. */
  readonly timesOf: (name: ServiceName) => LearnedTimes
  /** What this host can limit. */
  readonly limits: () => readonly ('cpu' | 'memory' | 'pids')[]
  /** Why no container can be started here; null when one can. */
  readonly engineFault: () => Promise<string | null>
  /** Which balancer the project's routes would have. Throws `E_BALANCER_MISSING` where it asks for one that is not here. */
  readonly balancerFor: (project: Project) => BalancerForPlan
  readonly loadRevision: (number: RevisionNumber) => Promise<RevisionRecord | null>
  readonly releases: ProjectReleases
  /** Of the releases that the request changes, those that are known. */
  readonly manifests?: Manifests
  /** What the machine's other projects want, now or after the operation that is under way. */
  readonly others: () => Promise<readonly Project[]>
}

/** Most services one project may have: each look of the daemon reads all of them. */
const maxReplicas = 1000

export function recordedOf(world: World): Recorded | null {
  if (world.applied === 0 && world.target === null) return null
  return {
    revision: world.applied,
    project: world.project ?? emptyProject(world),
    stoppedByHand: [...world.stoppedByHand],
    generations: Object.fromEntries(world.generations),
    completedJobs: Object.fromEntries(world.jobsDone),
  }
}

/** The plan for a project, without doing anything. Throws `E_PLAN_PROTECTED` where a protected service would be removed. */
export async function answerPlan(tools: RequestTools, request: PlanRequest): Promise<PlanAnswer> {
  const { project } = tools.secrets.seal(request.project, request.secrets)
  refuseImpossibleLimits(tools, project)
  await refuseWithoutEngine(tools, project)
  await refuseClash(tools, project)
  const manifests = await tools.releases.manifestsFor(project)
  return { project, plan: planFor({ ...tools, manifests }, project, request) }
}

/** For a project that is not there yet. Its secrets have no digests: those come with a key of its own. */
export async function answerFirstPlan(
  tools: Pick<RequestTools, 'limits' | 'engineFault' | 'balancerFor' | 'others'>,
  { project, isRollback, only }: PlanRequest,
): Promise<PlanAnswer> {
  refuseImpossibleLimits(tools, project)
  await refuseWithoutEngine(tools, project)
  await refuseClash(tools, project)
  const how = { desired: project, recorded: null, observed: [], isRollback, only }
  return { project, plan: orRefuse(planChanges({ ...how, ...tools.balancerFor(project) })) }
}

/** Known beforehand: a start that is refused would be found out only when the old instance has been stopped for it. */
function refuseImpossibleLimits(tools: Pick<RequestTools, 'limits'>, project: Project): void {
  const possible = tools.limits()
  for (const { name, limits } of project.services) {
    const asked = { cpu: limits.cpuCores, memory: limits.memoryBytes, pids: limits.pids }
    const kind = (['cpu', 'memory', 'pids'] as const).find((limit) => asked[limit] !== null && !possible.includes(limit))
    if (kind === undefined) continue
    throw new DarumaError('E_LIMIT_IMPOSSIBLE', `${name} asks for a limit on ${kind}, which this host cannot keep.`, {
      hint: `It can limit: ${possible.length === 0 ? 'nothing' : possible.join(', ')}. daruma doctor says why.`,
    })
  }
}

/** Before anything is given up for it: without an engine nothing of an image can start. */
async function refuseWithoutEngine(tools: Pick<RequestTools, 'engineFault'>, project: Project): Promise<void> {
  const service = project.services.find(({ runs }) => runs.kind === 'container')
  const fault = service === undefined ? null : await tools.engineFault()
  if (service !== undefined && fault !== null) throw engineAway(service.name, fault)
}

/** Before anything is given up for it: two projects cannot have the same domain, port, or different settings of the one balancer. */
async function refuseClash(tools: Pick<RequestTools, 'others'>, project: Project): Promise<void> {
  const problem = findClash(project, await tools.others())
  if (problem === null) return
  throw new DarumaError('E_PROJECT_CLASH', problem.message, problem.allowed === null ? {} : { hint: problem.allowed })
}

export async function intentOf(tools: RequestTools, request: OperationRequest): Promise<Intent | null> {
  switch (request.kind) {
    case 'apply':
      await refuseWithoutEngine(tools, request.project)
      await refuseClash(tools, request.project)
      await tools.releases.requireAll(request.project)
      return applyIntent({ ...tools, manifests: await tools.releases.manifestsFor(request.project) }, request)
    case 'rollback':
      return rollbackIntent(tools, request)
    case 'scale':
      return scaleIntent(tools, request)
    case 'down':
      return revisionIntent(tools, request, { project: emptyProject(tools.world), cause: 'down', skipsJobs: true, only: null })
    case 'restart':
    case 'stop':
    case 'start':
      return overrideIntent(tools, request)
  }
}

function applyIntent(tools: RequestTools, request: Extract<OperationRequest, { kind: 'apply' }>): Intent | null {
  const { world, secrets } = tools
  const sealed = secrets.seal(request.project, request.secrets)
  refuseImpossibleLimits(tools, sealed.project)
  const plan = planFor(tools, sealed.project, { isRollback: false, only: request.only })
  if (request.base !== world.applied) throw stale(tools, request.base, plan)
  if (request.fingerprint !== null && request.fingerprint !== plan.fingerprint) {
    throw new DarumaError(
      'E_PLAN_STALE',
      'The state has changed since this plan was made: it would no longer do what it shows.',
      {
        hint: 'Make the plan again and check it.',
      },
    )
  }
  const intent = revisionIntent(tools, request, {
    project: sealed.project,
    cause: 'up',
    skipsJobs: false,
    only: request.only,
    plan,
  })
  if (intent === null) return null
  return { ...intent, writes: sealed.writes, whenDurable: () => secrets.accept(sealed.project, request.secrets) }
}

/** An `up` that was planned on an older revision would undo what came since: refused, naming it. */
function stale(tools: RequestTools, base: number, plan: Plan): DarumaError {
  const touched = plan.steps.map((step) => `${step.kind} ${step.service}`).join(', ')
  return new DarumaError(
    'E_PLAN_STALE',
    `This was planned on revision ${base}, but revision ${tools.world.applied} is active now. Applying it would undo: ${touched === '' ? 'nothing visible' : touched}.`,
    { hint: 'Bring your config up to date, look at daruma plan again, then apply.' },
  )
}

async function rollbackIntent(
  tools: RequestTools,
  request: Extract<OperationRequest, { kind: 'rollback' }>,
): Promise<Intent | null> {
  const old = await tools.loadRevision(asRevisionNumber(request.revision))
  if (old === null) {
    throw new DarumaError('E_REVISION_UNKNOWN', `There is no revision ${request.revision}.`, {
      hint: 'daruma history lists those that are kept.',
    })
  }
  await refuseClash(tools, old.project)
  const manifests = await tools.releases.manifestsFor(old.project)
  return revisionIntent({ ...tools, manifests }, request, {
    project: old.project,
    cause: `rollback to ${request.revision}`,
    skipsJobs: true,
    only: null,
  })
}

function scaleIntent(tools: RequestTools, request: Extract<OperationRequest, { kind: 'scale' }>): Intent | null {
  const { world } = tools
  const [name] = knownServices(world, [request.service])
  const { project } = world
  if (project === null || name === undefined) throw unknownService(world, request.service)
  const service = world.serviceOf(name)
  if (service?.scale.kind !== 'replicas') {
    throw new DarumaError(
      'E_SCALE_IMPOSSIBLE',
      `${name} is a ${service?.scale.kind ?? 'service'}: only services with replicas can be scaled.`,
    )
  }
  if (!Number.isInteger(request.replicas) || request.replicas < 0 || request.replicas > maxReplicas) {
    throw new DarumaError('E_SCALE_IMPOSSIBLE', `${request.replicas} is not a valid number of replicas.`, {
      hint: `Allowed: 0 to ${maxReplicas}.`,
    })
  }
  if (service.port.kind === 'fixed' && request.replicas > 1) {
    throw new DarumaError(
      'E_SCALE_IMPOSSIBLE',
      `${name} has the fixed port ${service.port.port}: more than one replica cannot share it.`,
    )
  }
  const scaled: Service = { ...service, scale: { kind: 'replicas', count: request.replicas } }
  const services = project.services.map((other) => (other.name === name ? scaled : other))
  return revisionIntent(tools, request, {
    project: { ...project, services },
    cause: `scale ${name}=${request.replicas}`,
    skipsJobs: true,
    // What a person has stopped stays stopped, whatever its number is.
    only: world.stoppedByHand.has(name) ? [] : [name],
  })
}

interface NewRevision {
  readonly project: Project
  readonly cause: string
  readonly skipsJobs: boolean
  readonly only: readonly string[] | null
  readonly plan?: Plan
}

/** Null when nothing would change: then there is no new revision either. */
function revisionIntent(
  tools: RequestTools,
  request: { readonly kind: Intent['kind']; readonly by: Requester },
  wish: NewRevision,
): Intent | null {
  const { world, clock } = tools
  const plan = wish.plan ?? planFor(tools, wish.project, { isRollback: wish.skipsJobs, only: wish.only })
  // Of what runs and was never recorded no plan knows: a `down` is for all that is there.
  const strays = request.kind === 'down' ? [...new Set(world.unrecorded.map((slot) => parseSlotId(slot).service))] : []
  if (plan.steps.length === 0 && strays.length === 0) return null
  const number = asRevisionNumber(Math.max(world.lastRevision, world.applied) + 1)
  const { by } = request
  const revision: RevisionRecord = {
    number,
    createdAt: clock.wallTime(),
    by: by.user,
    cause: wish.cause,
    project: wish.project,
    plan,
    skipsJobs: wish.skipsJobs,
  }
  const restarts = plan.steps.filter((step) => step.kind === 'restart' || step.kind === 'run-job').map((step) => step.service)
  return {
    kind: request.kind,
    by,
    revision,
    involved: [...new Set([...involvedIn(plan, wish.project), ...strays])],
    raise: restarts.filter((name) => hasGivenUp(world, name)),
    stop: [],
    start: [...world.stoppedByHand].filter(
      (name) =>
        request.kind === 'down' || restarts.includes(name) || (request.kind === 'apply' && (wish.only?.includes(name) ?? true)),
    ),
    writes: [],
    whenDurable: () => {},
  }
}

/** A change of the balancer is done when all that it serves is served as before. */
function involvedIn({ steps }: Plan, { services }: Project): readonly ServiceName[] {
  const served = services.filter(({ routes }) => routes.length > 0).map(({ name }) => name)
  const named = steps.map(({ service }) => service).filter((name) => name !== notifyName)
  return [...new Set(named.flatMap((name) => (name === balancerName ? served : [name])))]
}

/** A slot whose work has ended (failed) or that crash-loops restarts only under a new identity. */
function hasGivenUp(world: World, name: ServiceName): boolean {
  return world.reportsOf(name).some(({ state }) => {
    return state === 'failed' || state === 'crash-looping' || state === 'backing-off' || state === 'completed'
  })
}

function overrideIntent(
  tools: RequestTools,
  request: Extract<OperationRequest, { kind: 'restart' | 'stop' | 'start' }>,
): Intent | null {
  const { world } = tools
  const all = world.project?.services.filter((service) => service.scale.kind !== 'job').map((service) => service.name) ?? []
  const named = request.services.length === 0 ? all : namedByHand(world, request)
  const job = named.find((name) => world.serviceOf(name)?.scale.kind === 'job')
  if (job !== undefined && request.kind !== 'stop') {
    throw new DarumaError('E_JOB_NOT_REPEATABLE', `${job} is a job: it runs once for each revision that changes it, never again.`)
  }
  const isStopped = (name: ServiceName): boolean => world.stoppedByHand.has(name)
  const involved = named.filter((name) =>
    request.kind === 'stop' ? !isStopped(name) : request.kind === 'start' ? isStopped(name) || hasGivenUp(world, name) : true,
  )
  if (involved.length === 0) return null
  return {
    kind: request.kind,
    by: request.by,
    revision: null,
    involved,
    raise:
      request.kind === 'restart' ? involved : request.kind === 'start' ? involved.filter((name) => hasGivenUp(world, name)) : [],
    stop: request.kind === 'stop' ? involved : [],
    start: request.kind === 'stop' ? [] : involved.filter(isStopped),
    writes: [],
    whenDurable: () => {},
  }
}

/** The balancer can be restarted by its name; it cannot be stopped, since it is there for as long as there are routes. */
function namedByHand(
  world: World,
  { kind, services }: { readonly kind: string; readonly services: readonly string[] },
): readonly ServiceName[] {
  const isPresent = kind === 'restart' && world.wantedOf(balancerName) !== null
  const names = services.filter((name) => !isPresent || name !== balancerName)
  return [...knownServices(world, names), ...(names.length < services.length ? [balancerName] : [])]
}

function knownServices(world: World, names: readonly string[]): readonly ServiceName[] {
  return names.map((text) => {
    const name = asServiceName(text)
    if (world.serviceOf(name) === null) throw unknownService(world, text)
    return name
  })
}

function unknownService(world: World, name: string): DarumaError {
  const known = world.project?.services.map((service) => service.name).join(', ') ?? ''
  return new DarumaError('E_SERVICE_UNKNOWN', `There is no service ${name}.`, {
    hint: known === '' ? 'Nothing has been applied yet.' : `There are: ${known}.`,
  })
}

function planFor(tools: RequestTools, project: Project, how: Pick<PlanRequest, 'isRollback' | 'only'>): Plan {
  return orRefuse(
    planChanges({
      timesOf: tools.timesOf,
      desired: project,
      recorded: recordedOf(tools.world),
      observed: tools.observe(),
      isRollback: how.isRollback,
      only: how.only,
      ...tools.balancerFor(project),
      ...(tools.manifests === undefined ? {} : { manifests: tools.manifests }),
    }),
  )
}

function orRefuse(outcome: PlanOutcome): Plan {
  if ('plan' in outcome) return outcome.plan
  const [first] = outcome.problems
  throw new DarumaError(
    first?.code ?? 'E_PLAN_REFUSED',
    first?.message ?? 'The plan is refused.',
    first?.allowed === null || first === undefined ? {} : { hint: first.allowed },
  )
}

const emptyProject = (world: World): Project => ({
  name: world.project?.name ?? '',
  stage: world.project?.stage ?? null,
  balancer: world.project?.balancer ?? balancer,
  notify: world.project?.notify ?? [],
  services: [],
})

export const summaryOf = (plan: Plan): string => summarise(plan)
