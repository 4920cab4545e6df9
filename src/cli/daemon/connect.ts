/**
 * The way from a state directory to a daemon that answers. Starting one twice does no harm (the second finds the lock taken and
 * leaves), so nothing here tries to be clever: ask, start if it may, and ask until it answers.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { projectIdOf } from '../../core/model/project-id.ts'
import type { VersionAnswer } from '../../protocol/api.ts'
import { apiVersion } from '../../protocol/api.ts'
import type { ProjectOfFile } from '../../protocol/project-of-file.ts'
import { DarumaError } from '../../ports/error.ts'
import { Client } from './client.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'
import { configFile, evaluateConfig, resolveState, type StateDirectory } from './state.ts'
import { unitOf } from './systemd-unit.ts'
import { readText } from '../../system/read-quietly.ts'

/** A daemon that must recover 1,000 instances answers within some seconds; one that was started in vain says why in its log. */
const startLimitMs = 30_000
const pollIntervalMs = 20
const startAgainMs = 2000

export type StartPolicy = 'never' | 'if-used'

/** For commands about what runs: starts the daemon of a used state, refuses a state that never was, and a config that was never applied. */
export async function connectUsed(context: Context, invocation: Invocation): Promise<Client> {
  const state = resolveState(context, invocation)
  const client = await connect(context, state, 'if-used')
  if (client === null) throw neverUsed(state, await findElsewhere(context, invocation))
  client.project = await chooseProject(context, invocation, client)
  return client
}

/**
 * What `-p` names; else the project of the config in reach: the one that was applied from it, and where that is none, or several, the one that
 * it names. Null, where no config is in reach: whatever the state has. Throws `E_PROJECT_UNKNOWN` for a config of which nothing was applied.
 */
async function chooseProject(context: Context, invocation: Invocation, client: Client): Promise<string | null> {
  const named = invocation.text('project')
  const { projects } = await client.version()
  if (named !== null || projects === undefined || projects.length === 0) return named
  const file = await configFile(context, invocation)
  if (file === null) return null
  const known = findByOrigin(projects, file, invocation.text('stage'))
  if (known !== null) return known
  const { project } = await evaluateConfig(context, invocation, 'leave')
  const id = projectIdOf(project)
  if (projects.some((each) => each.id === id)) return id
  const others = projects.map((each) => each.id).join(', ')
  throw new DarumaError('E_PROJECT_UNKNOWN', `Nothing was applied from ${file} as ${id}.`, {
    hint:
      hintElsewhere(await findElsewhere(context, invocation)) ??
      `On this machine: ${others}. -p names one of them; \`daruma ls\` shows all.`,
  })
}

/** The project that was last applied from this config; null where that is none, or several. */
export function findByOrigin(projects: readonly ProjectOfFile[], file: string, stage: string | null): string | null {
  const [only, ...others] = projects.filter((project) => project.file === file && project.stage === stage)
  return only !== undefined && others.length === 0 ? only.id : null
}

export function neverUsed({ directory }: StateDirectory, elsewhere: readonly string[] = []): DarumaError {
  return new DarumaError('E_STATE_UNUSED', `Nothing has been applied here: ${directory} holds no state.`, {
    hint: hintElsewhere(elsewhere) ?? '`daruma up` applies the config; `daruma plan` shows first what it would do.',
  })
}

function hintElsewhere([first, ...others]: readonly string[]): string | null {
  if (first === undefined) return null
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  return `This config runs with --state ${first}${more}: say so here too, or set DARUMA_STATE.`
}

async function findElsewhere(context: Context, invocation: Invocation): Promise<readonly string[]> {
  const file = await configFile(context, invocation)
  return file === null ? [] : (await import('./other-states.ts')).statesOfConfig(file)
}

/** Starts the daemon where none runs. */
export async function connectStarted(context: Context, state: StateDirectory): Promise<Client> {
  const client = new Client(state.directory)
  const running = await askVersion(client)
  if (running !== null) return checkVersion(context, client, running)
  await startDaemon(context, state.directory)
  return checkVersion(context, client, await waitForDaemon(client, () => startDaemon(context, state.directory)))
}

/** Null where no daemon runs and none may be started. */
export async function connect(context: Context, state: StateDirectory, policy: StartPolicy): Promise<Client | null> {
  if (policy === 'if-used' && state.isUsed) return connectStarted(context, state)
  const client = new Client(state.directory)
  const running = await askVersion(client)
  return running === null ? null : checkVersion(context, client, running)
}

/** Starts the daemon in the way in which this state is supervised, without waiting for it to answer. */
export async function startDaemon(context: Context, state: string): Promise<void> {
  if (isUnderSystemd(state) && context.tools.systemd.isRunning()) {
    await context.tools.systemd.control(['start', unitOf(state)])
    return
  }
  await context.tools.launchDaemon({ state, node: context.node, entry: context.entry })
}

/** `startAgain`: what was asked to start it the first time may have found a supervisor that was just ending, and left it to that one. */
export async function waitForDaemon(client: Client, startAgain: () => Promise<void> = async () => {}): Promise<VersionAnswer> {
  const deadline = performance.now() + startLimitMs
  let againAt = performance.now() + startAgainMs
  for (;;) {
    const answer = await askVersion(client)
    if (answer !== null) return answer
    const now = performance.now()
    if (hasRefused(client.state) || now > deadline) throw explainNoStart(client.state)
    // systemd does that itself, and counts how often it is asked.
    if (now > againAt && !isUnderSystemd(client.state)) {
      await startAgain()
      againAt = performance.now() + startAgainMs
    }
    await delay(pollIntervalMs)
  }
}

/** Null where nobody listens; every other trouble is thrown. */
export async function askVersion(client: Client): Promise<VersionAnswer | null> {
  try {
    return await client.version()
  } catch (error) {
    if (error instanceof DarumaError && (error.code === 'E_DAEMON_NOT_RUNNING' || error.code === 'E_DAEMON_LOST')) return null
    throw error
  }
}

export function isUnderSystemd(state: string): boolean {
  return readText(join(state, 'host', 'supervised-by')).trim() === 'systemd'
}

function checkVersion(context: Context, client: Client, running: VersionAnswer): Client {
  const advice = '`daruma daemon restart` replaces it by one of this version; the instances keep running.'
  if (running.api !== apiVersion) {
    throw new DarumaError(
      'E_DAEMON_VERSION',
      `The daemon (pid ${running.pid}) is version ${running.version} and speaks API ${running.api}; this command is ${context.version} and speaks API ${apiVersion}.`,
      { hint: advice },
    )
  }
  if (running.version !== context.version) {
    const { yellow } = context.terminal.notePalette
    context.terminal.note(
      `${yellow('note:')} the daemon is version ${running.version}, this command is ${context.version}. ${advice}`,
    )
  }
  return client
}

/** The supervisor leaves the exit code of a daemon that must not be started again; 78 means that it refused. */
function hasRefused(state: string): boolean {
  return readText(join(state, 'host', 'stopped')).trim() === '78'
}

function explainNoStart(state: string): DarumaError {
  if (isUnderSystemd(state)) {
    return new DarumaError('E_DAEMON_NO_START', `systemd did not get the daemon to answer within ${startLimitMs / 1000} s.`, {
      hint: `\`journalctl -u ${unitOf(state)}\` has its last words; \`daruma doctor\` examines the machine.`,
    })
  }
  const log = join(state, 'daemon.log')
  const what = hasRefused(state) ? 'The daemon refused to start' : `The daemon did not come up within ${startLimitMs / 1000} s`
  const last = readText(log).trimEnd().split('\n').slice(-3).join('\n  ')
  return new DarumaError('E_DAEMON_NO_START', last === '' ? `${what}.` : `${what}. Its last words:\n  ${last}`, {
    hint: existsSync(log)
      ? `All of its output is in ${log}; \`daruma doctor\` examines the machine.`
      : '`daruma doctor` examines the machine.',
  })
}
