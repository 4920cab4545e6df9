/**
 * Asks whose a name is before anything is planned: a config that was renamed, or that has the name of a project from another folder, or that another
 * user's daemon runs already, must not begin a second copy or remove what is another's without anybody having said so. Flags say it in scripts.
 */

import { findOwnership } from '../../core/plan/ownership.ts'
import { projectIdOf } from '../../core/model/project-id.ts'
import { nearest } from '../../core/values/nearest.ts'
import { DarumaError } from '../../ports/error.ts'
import type { ProjectOfFile } from '../../protocol/project-of-file.ts'
import type { ProjectView } from '../../protocol/projects.ts'
import { isDevState } from '../../host/dev-state.ts'
import type { Client } from '../daemon/client.ts'
import { copiesOfConfig, type ConfigCopy } from '../daemon/other-states.ts'
import type { Config } from '../daemon/state.ts'
import type { SavedPlan } from './saved-plan.ts'
import { formatAge } from '../render/quantity.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'

export interface Claim {
  /** The project that the config is planned against; null for one that is not there yet. */
  readonly id: string | null
  /** Whether there is one. */
  readonly isKnown: boolean
  /** The project that is to get this config, and its name, before anything is applied; null where it is this config's already. */
  readonly handOver: string | null
  /** Only what `plan` shows: nobody has said yet that it shall be so. */
  readonly isOpen: boolean
}

export interface OwnershipQuestion {
  readonly config: Config
  /** Null where nothing was ever applied. */
  readonly client: Client | null
  readonly state: string
  /** `plan` changes nothing, and so asks nothing: it shows what would be with the likely answer, and says so. */
  readonly mayAsk: boolean
}

/** Null: the person who was asked wants nothing of it. Throws `E_PROJECT_RENAMED`, `E_PROJECT_ELSEWHERE` where nobody can be asked. */
export async function settleOwnership(
  context: Context,
  invocation: Invocation,
  question: OwnershipQuestion,
): Promise<Claim | null> {
  const { config, client } = question
  const id: string = projectIdOf(config.project)
  const known = client === null ? [] : (await client.version()).projects
  // A daemon of the version before has one project, and knows of no names.
  if (known === undefined) return { ...settled(null, null), isKnown: true }
  const renamed = invocation.text('rename')
  if (renamed !== null && renamed !== id) return claimRenamed(id, renamed, known)
  const own = { id, stage: config.project.stage, file: config.file }
  // Most are nobody else's, and need no further question.
  const guess = findOwnership(
    own,
    known.map((project) => ({ ...project, holds: true })),
  )
  const views = client === null || guess.kind === 'own' || guess.kind === 'new' ? [] : await client.projects()
  const found = views.length === 0 ? guess : findOwnership(own, views.map(holding))
  if (found.kind === 'own') return settled(id, null)
  if (found.kind === 'elsewhere') return settleElsewhere(context, invocation, question, viewOf(views, found.project.id))
  if (found.kind === 'renamed')
    return settleRenamed(context, invocation, question, { id, from: found.from.map((each) => viewOf(views, each.id)) })
  return settleCopies(context, invocation, question)
}

const settled = (id: string | null, handOver: string | null): Claim => ({ id, isKnown: id !== null, handOver, isOpen: false })

const holding = ({ id, stage, origin, isDown, volumes }: ProjectView): Parameters<typeof findOwnership>[1][number] => ({
  id,
  stage,
  file: origin?.file ?? null,
  holds: !isDown || volumes.length > 0,
})

function viewOf(views: readonly ProjectView[], id: string): ProjectView {
  const found = views.find((view) => view.id === id)
  if (found === undefined) throw new Error(`${id} was listed a moment ago`)
  return found
}

/** `--rename`: what has been renamed already is no error, so that a script may say it again. */
function claimRenamed(id: string, from: string, known: readonly ProjectOfFile[]): Claim {
  const ids = known.map((project): string => project.id)
  if (ids.includes(id) && !ids.includes(from)) return settled(id, null)
  if (ids.includes(id))
    throw new DarumaError('E_PROJECT_EXISTS', `${from} cannot be renamed to ${id}: there is a project of that name.`, {
      hint: 'Leave --rename away to apply this config to it, or give the config another `name`.',
    })
  if (ids.includes(from)) return settled(from, from)
  const near = nearest(from, ids)
  throw new DarumaError('E_PROJECT_UNKNOWN', `There is no project ${from} to be renamed.`, {
    hint: near === null ? '`daruma project ls` lists those that there are.' : `Did you mean ${near}?`,
  })
}

/** What a saved plan has still to hand over: anyone who applies it again after a failure finds it done. */
export async function claimSaved(client: Client, saved: Pick<SavedPlan, 'project' | 'handOver'>): Promise<string | null> {
  const id: string = projectIdOf(saved.project)
  if (saved.handOver === null || saved.handOver === id) return saved.handOver
  return claimRenamed(id, saved.handOver, (await client.version()).projects ?? []).handOver
}

interface Renamed {
  readonly id: string
  readonly from: readonly ProjectView[]
}

async function settleRenamed(
  context: Context,
  invocation: Invocation,
  { mayAsk }: OwnershipQuestion,
  { id, from }: Renamed,
): Promise<Claim | null> {
  if (invocation.has('new')) return settled(null, null)
  const names = from.map((project) => project.id)
  const [first = ''] = names
  const what = `This config was applied as ${from.map(describe).join(', and as ')}, and is called ${id} now.`
  const ways = [
    ...names.map(
      (name) => `--rename ${name}: ${name} becomes ${id}, with its slots, volumes and history; nothing that runs is touched.`,
    ),
    `--new: ${id} begins beside ${names.join(' and ')}, with volumes of its own.`,
  ]
  const { terminal } = context
  if (!mayAsk) {
    terminal.note([what, ...ways, `Shown is --rename ${first}.`].join('\n'))
    return { ...settled(first, first), isOpen: true }
  }
  if (!canAsk(context, invocation)) throw new DarumaError('E_PROJECT_RENAMED', what, { hint: ways.join('\n  ') })
  terminal.note(what)
  for (const name of names)
    terminal.note(
      `  rename${names.length > 1 ? ` ${name}` : ''}  with its slots, volumes and history; nothing that runs is touched`,
    )
  terminal.note(`  new     ${id} begins beside it, with volumes of its own`)
  const answer = (await terminal.ask(terminal.palette.bold('rename, new, or nothing? '))).trim()
  if (answer === 'new') return settled(null, null)
  const chosen = names.find((name) => answer === `rename ${name}` || (answer === 'rename' && names.length === 1))
  if (chosen !== undefined) return settled(chosen, chosen)
  terminal.note('Nothing was changed.')
  return null
}

async function settleElsewhere(
  context: Context,
  invocation: Invocation,
  { config, mayAsk }: OwnershipQuestion,
  project: ProjectView,
): Promise<Claim | null> {
  const { id } = project
  if (invocation.has('takeOver')) return settled(id, id)
  const what = `${describe(project)} was applied from ${project.origin?.file ?? 'elsewhere'}, and this is ${config.file}.`
  const ways = [
    `--take-over: from now on ${id} is what this config says; what it does not name is removed.`,
    'For a project of its own it needs another `name`.',
  ]
  const { terminal } = context
  if (!mayAsk) {
    terminal.note([what, ...ways, 'Shown is --take-over.'].join('\n'))
    return { ...settled(id, id), isOpen: true }
  }
  if (!canAsk(context, invocation)) throw new DarumaError('E_PROJECT_ELSEWHERE', what, { hint: ways.join('\n  ') })
  terminal.note(what)
  terminal.note(`Taking it over makes ${id} what this config says; what it does not name is removed.`)
  if (isYes(await terminal.ask(`${terminal.palette.bold('Take it over?')} [y/N] `))) return settled(id, id)
  terminal.note('Nothing was changed.')
  return null
}

/** `sudo` that was forgotten, or said for once: the same config under the daemon of another user is a second copy of everything. */
async function settleCopies(
  context: Context,
  invocation: Invocation,
  { config, state, mayAsk }: OwnershipQuestion,
): Promise<Claim | null> {
  const isNamed = invocation.text('state') !== null || (context.environment['DARUMA_STATE'] ?? '') !== ''
  if (isNamed || invocation.has('new')) return settled(null, null)
  const [copy] = await copiesOfConfig(config.file, (directory) => directory !== state && !isDevState(directory))
  if (copy === undefined) return settled(null, null)
  const { code, what, ways } = describeCopy(copy)
  const { terminal } = context
  if (!mayAsk) {
    terminal.note([what, ...ways].join('\n'))
    return { ...settled(null, null), isOpen: true }
  }
  if (!canAsk(context, invocation)) throw new DarumaError(code, what, { hint: ways.join('\n  ') })
  terminal.note([what, ...ways].join('\n'))
  if (isYes(await terminal.ask(`${terminal.palette.bold('Start a second copy?')} [y/N] `))) return settled(null, null)
  terminal.note('Nothing was changed.')
  return null
}

function describeCopy({ directory, user }: ConfigCopy): {
  readonly code: string
  readonly what: string
  readonly ways: readonly string[]
} {
  if (user === null) {
    const what = `The daemon of ${directory} does not answer: it may run this config already, and here all of it would run a second time.`
    const look = `\`daruma daemon status --state ${directory}\` says more; once it answers, this question does not come up.`
    return { code: 'E_DAEMON_SILENT', what, ways: [look, '--new: whatever runs there, this is a copy of its own.'] }
  }
  const there = user === 'root' ? '`sudo daruma up` applies it there.' : `--state ${directory}, as ${user}, applies it there.`
  const what = `${user} runs this config already, in the state ${directory}: here, all of it would run a second time.`
  return { code: 'E_PROJECT_ELSEWHERE', what, ways: [there, '--new: a second copy of everything, beside it.'] }
}

/** A yes beforehand (-y) is no answer to a choice. */
function canAsk({ terminal }: Context, invocation: Invocation): boolean {
  return terminal.canAsk && !invocation.json && !invocation.has('yes')
}

const isYes = (answer: string): boolean => /^(?:y|yes|はい)$/i.test(answer.trim())

function describe({ id, revision, isDown, ready, desired, origin }: ProjectView): string {
  const how = isDown ? 'down' : `${ready} of ${desired} ready`
  const by = origin === null ? '' : `, by ${origin.user} ${formatAge(origin.at, Date.now())} ago`
  return `${id} (revision ${revision}, ${how}${by})`
}
