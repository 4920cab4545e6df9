/** `daruma status`: one look at everything, or at length at what is named; with --watch one each second. */

import { setTimeout as delay } from 'node:timers/promises'

import type { JobView, StatusAnswer } from '../../../protocol/api.ts'
import { DarumaError } from '../../../ports/error.ts'
import { describeFormer } from '../../../protocol/former-states.ts'
import type { Client } from '../../daemon/client.ts'
import { connectUsed } from '../../daemon/connect.ts'
import type { Context } from '../../context.ts'
import type { Invocation } from '../../tree/invocation.ts'
import { LiveRegion } from '../../screen/live-region.ts'
import { renderService } from '../../render/service.ts'
import { renderStatus, type StatusView } from '../../render/status.ts'
import { readDetails, type NamedDetails } from '../../screen/service-details.ts'
import { namedServices } from '../../config/targets.ts'
import { exitCodeOf, findTroubles, type Trouble } from '../../screen/trouble.ts'
import { untilEnded } from '../../daemon/until-ended.ts'

const watchIntervalMs = 1000

export async function status(context: Context, invocation: Invocation): Promise<number> {
  const client = await connectUsed(context, invocation)
  if (invocation.has('watch')) return watch(context, invocation, client)
  const look = await takeLook(invocation, client)
  context.terminal.print(draw(context, invocation, look))
  if (!invocation.json) await noteFormers(context, client.state)
  return exitCodeOf(look.status, look.troubles)
}

/** What earlier versions began runs on, and is in no table here. */
async function noteFormers({ terminal, tools }: Context, state: string): Promise<void> {
  for (const former of await tools.listFormerStates(state)) {
    const text = describeFormer(former)
    if (text !== null) terminal.note(`${terminal.notePalette.yellow('note:')} ${text}`)
  }
}

interface Look {
  /** Of what was named, or all. */
  readonly status: StatusAnswer
  readonly jobs: readonly JobView[]
  readonly troubles: readonly Trouble[]
  /** Of the services that were named as arguments; empty for the table alone. */
  readonly details: readonly NamedDetails[]
  /** Where nothing is applied: the revision that failed last. */
  readonly failed: number | null
}

async function takeLook(invocation: Invocation, client: Client): Promise<Look> {
  const answer = await client.status()
  const shown = onlyNamed(answer, invocation)
  const hasJobs = shown.services.some(({ kind }) => kind === 'schedule' || kind === 'job')
  const names = new Set<string>(shown.services.map(({ service }) => service))
  const jobs = hasJobs ? (await client.jobs()).filter(({ service }) => names.has(service)) : []
  const details = await readDetails(client, shown, new Set(invocation.words))
  const failed = answer.revision === 0 && answer.operation === null ? await lastFailed(client) : null
  return { status: shown, jobs, troubles: findTroubles(shown, jobs), details, failed }
}

async function lastFailed(client: Client): Promise<number | null> {
  const [newest] = await client.revisions().catch((error: unknown) => {
    // Of several projects at once none is asked.
    if (error instanceof DarumaError && error.code === 'E_PROJECT_AMBIGUOUS') return []
    throw error
  })
  return newest?.state === 'failed' ? newest.number : null
}

function draw(context: Context, invocation: Invocation, look: Look): string {
  const { status: shown, jobs, troubles, details, failed } = look
  if (invocation.json) return JSON.stringify({ ...shown, jobs, troubles, ...(details.length === 0 ? {} : { details }) })
  const { terminal } = context
  const view: StatusView = { palette: terminal.palette, columns: terminal.columns(), nowMs: Date.now(), jobs }
  if (details.length === 0) return [...renderStatus(shown, view), ...explainFailed(failed)].join('\n')
  return details
    .map((one) => {
      const isOwn = ({ service }: { readonly service: string }): boolean => service === one.service
      const own = { ...shown, services: shown.services.filter(isOwn), instances: shown.instances.filter(isOwn) }
      return renderService(own, one, { ...view, jobs: jobs.filter(isOwn) }).join('\n')
    })
    .join('\n\n')
}

const explainFailed = (revision: number | null): readonly string[] =>
  revision === null
    ? []
    : ['', `Revision ${revision} failed and was rolled back: \`daruma events\` and \`daruma logs\` tell why.`]

function onlyNamed(answer: StatusAnswer, invocation: Invocation): StatusAnswer {
  if (invocation.words.length === 0 && invocation.list('only').length === 0) return answer
  const names = new Set(namedServices(answer, invocation))
  return {
    ...answer,
    services: answer.services.filter((service) => names.has(service.service)),
    instances: answer.instances.filter((instance) => names.has(instance.service)),
  }
}

async function watch(context: Context, invocation: Invocation, client: Client): Promise<number> {
  using ending = untilEnded(context)
  const isLive = context.terminal.isInteractive && !invocation.json
  let lines: readonly string[] = []
  using region = isLive ? new LiveRegion(context.terminal, () => lines) : null
  while (!ending.signal.aborted) {
    const text = await lookAgain(context, invocation, client)
    lines = text.split('\n')
    if (region === null) context.terminal.print(text)
    else region.print([])
    await context.terminal.drain()
    await delay(watchIntervalMs, undefined, { signal: ending.signal }).catch(() => undefined)
  }
  return 0
}

/** A daemon that is away is news, not the end of the watching. */
async function lookAgain(context: Context, invocation: Invocation, client: Client): Promise<string> {
  try {
    return draw(context, invocation, await takeLook(invocation, client))
  } catch (error) {
    if (!(error instanceof DarumaError) || !error.code.startsWith('E_DAEMON')) throw error
    if (invocation.json) return JSON.stringify({ error: { code: error.code, message: error.message, hint: error.hint } })
    return context.terminal.palette.red(`${error.message}; the services keep running`)
  }
}
