/**
 * HAProxy behind the {@link Balancer} port. Everything is written to the files first and then told to the running process, which is
 * asked what it has before it is told anything: so it does not matter who of the two restarted, or where an attempt was cut off.
 * Only a new shape (settings, listeners, pools) reloads; the rest changes in place (measured: no request fails in either).
 */

import { realpathSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import type { RoutingTable, UpstreamId } from '../../core/balance/table.ts'
import type { Balancer, BalancerObservation, BalancerProgram } from '../../ports/traffic/balancer.ts'
import { writeAtomically } from './atomic.ts'
import { certificateSteps, readCertificates, type HeldCertificate } from './certificates.ts'
import { converse, type Conversation } from './conversation.ts'
import { admit, differing, fillMap, retire, type Step } from './converge.ts'
import { away, portsTaken, refusedConfig, type TakenPort } from './errors.ts'
import { relayMaps, type Maps } from './maps.ts'
import { files } from './names.ts'
import { observe } from './observe.ts'
import { parseBackends, parseCrtList, parseMap, parseServers, parseStatistics, parseVariable, type Worker } from './parse.ts'
import { findTaken, worksIn } from './port-holders.ts'
import { render, renderFiles, shapeVariable, type Rendered } from './render.ts'
import { drainingUpstreams } from './servers.ts'

export interface HaproxyOptions {
  readonly stateDirectory: string
  /** The program's absolute path. */
  readonly haproxy: string
}

export function createHaproxyBalancer(options: HaproxyOptions): Balancer {
  const directory = join(options.stateDirectory, 'balancer')
  const state: State = { directory, haproxy: options.haproxy, known: [], leaving: [] }
  let present: Promise<void> = Promise.resolve()
  let next: { readonly promise: Promise<void>; table: RoutingTable } | null = null
  return {
    kind: 'haproxy',
    async prepare(table) {
      await write(state, await design(state, table))
      return program(state)
    },
    // One at a time; of those that wait only the newest is carried out, and all of them are then answered.
    apply(table) {
      if (next !== null) {
        next.table = table
        return next.promise
      }
      const turn = present.then(async () => {
        const newest = next?.table ?? table
        next = null
        await apply(state, newest)
      })
      next = { promise: turn, table }
      present = turn.catch(() => undefined)
      return turn
    },
    observe: () => look(state),
  }
}

interface State {
  readonly directory: string
  readonly haproxy: string
  /** The upstreams of the table that was last applied, for those who ask for one that has nothing any more. */
  known: readonly UpstreamId[]
  /** Servers that still had connections when they were to be removed, by worker. */
  leaving: readonly { readonly pid: number; readonly path: string }[]
}

function program(state: State): BalancerProgram {
  return {
    command: [state.haproxy, '-W', '-S', `unix@${files.masterSocket},mode,600`, '-f', files.config],
    directory: state.directory,
    environment: { TZ: 'UTC' },
  }
}

interface Design extends Rendered {
  readonly table: RoutingTable
  readonly certificates: readonly HeldCertificate[]
  /** Listeners that are left out, because somebody else has their port. */
  readonly taken: readonly TakenPort[]
}

async function design(state: State, table: RoutingTable): Promise<Design> {
  await mkdir(join(state.directory, files.maps), { recursive: true, mode: 0o700 })
  // Its workers, whoever they have become, may pass; the state directory around it lets nobody else come so far.
  await chmod(state.directory, 0o711)
  await mkdir(join(state.directory, files.certificates), { recursive: true, mode: 0o700 })
  const home = realpathSync(state.directory)
  const taken = findTaken(table.listeners, table.settings.address, (pid) => worksIn(home, state.haproxy, pid))
  const listeners = table.listeners.filter(({ port }) => taken.every((each) => each.port !== port))
  const certificates = table.listeners.some(({ tls }) => tls) ? await readCertificates(table.certificates, state.directory) : []
  const context = {
    certificates,
    user: await unprivilegedUser(),
    hasIpv6: (await readFile('/proc/net/if_inet6', 'utf8').catch(() => '')) !== '',
  }
  return { ...render({ ...table, listeners }, context), table, certificates, taken }
}

/** Strangers' bytes are parsed by somebody who may do nothing else. */
async function unprivilegedUser(): Promise<string | null> {
  if (process.getuid?.() !== 0) return null
  const accounts = await readFile('/etc/passwd', 'utf8').catch(() => '')
  return ['haproxy', 'nobody'].find((name) => accounts.split('\n').some((line) => line.startsWith(`${name}:`))) ?? null
}

/** What the config names comes before the config; what nobody names any more goes last. */
async function write(state: State, wanted: Design): Promise<void> {
  const path = (file: string): string => join(state.directory, file)
  for (const { file, pem } of wanted.certificates) await writeAtomically(path(file), pem, 0o600)
  const rendered = renderFiles(wanted)
  for (const [file, text] of rendered) await writeAtomically(path(file), text, 0o600)
  await writeAtomically(path(files.table), `${JSON.stringify(wanted.table, null, 2)}\n`, 0o600)
  const kept = new Set([...rendered.keys(), ...wanted.certificates.map(({ file }) => file)])
  for (const folder of [files.maps, files.certificates])
    for (const name of await readdir(path(folder)))
      if (!kept.has(join(folder, name))) await rm(path(join(folder, name)), { force: true })
}

async function apply(state: State, table: RoutingTable): Promise<void> {
  const wanted = await design(state, table)
  await write(state, wanted)
  {
    using conversation = await converse(state.directory)
    const [newest] = await conversation.workers()
    if (newest === undefined) throw away()
    const [variable = ''] = await conversation.ask(newest, [`show env ${shapeVariable}`])
    if (parseVariable(variable) !== wanted.shape) await reload(state, conversation, wanted.shape)
  }
  using conversation = await converse(state.directory)
  const leaving: { readonly pid: number; readonly path: string }[] = []
  const [newest, ...older] = await conversation.workers()
  if (newest === undefined) throw away()
  for (const path of await converge(conversation, newest, wanted)) leaving.push({ pid: newest.pid, path })
  for (const worker of older)
    // One may end between two commands, with its last connection: then it has nothing to be told.
    await handOver(state, worker, table).catch(() => undefined)
  state.leaving = leaving
  state.known = table.pools.flatMap(({ upstreams }) => upstreams.map(({ id }) => id))
  if (wanted.taken.length > 0) throw portsTaken(wanted.taken)
}

/** What comes over connections that a replaced worker still has goes to its successor, and so by the newest table. */
async function handOver(state: State, worker: Worker, table: RoutingTable): Promise<void> {
  using conversation = await converse(state.directory)
  await fillMaps(conversation, worker, relayMaps(table))
}

const reloadLimitMs = 10_000

/** HAProxy itself looks at the config first, so that a reload is not begun that cannot succeed. */
async function reload(state: State, conversation: Conversation, shape: string): Promise<void> {
  const problem = await checkConfig(state)
  if (problem !== null) throw refusedConfig('HAProxy refuses the config', problem)
  await conversation.reload()
  const deadline = performance.now() + reloadLimitMs
  let newest = 'nobody answers'
  while (performance.now() < deadline) {
    try {
      using anew = await converse(state.directory)
      const [worker] = await anew.workers()
      const [variable = ''] = worker === undefined ? [] : await anew.ask(worker, [`show env ${shapeVariable}`])
      if (parseVariable(variable) === shape) return
      newest = worker === undefined ? 'it has no worker' : `worker ${worker.pid} has lived through ${worker.reloads} reloads`
    } catch {
      // The master is just re-executing itself.
    }
    await sleep(10)
  }
  throw refusedConfig('HAProxy did not take the new config', newest)
}

function checkConfig(state: State): Promise<string | null> {
  return new Promise((resolve) => {
    const options = { cwd: state.directory, timeout: reloadLimitMs, env: { TZ: 'UTC' } }
    execFile(state.haproxy, ['-c', '-q', '-f', files.config], options, (error, stdout, stderr) =>
      resolve(error === null ? null : `${stdout}${stderr}` || error.message),
    )
  })
}

/** Returns the servers that still have connections and could not be removed. */
async function converge(conversation: Conversation, worker: Worker, wanted: Design): Promise<readonly string[]> {
  const [servers = '', backends = '', crtList = '', digests = ''] = await conversation.ask(worker, [
    'show servers state',
    'show backend',
    `show ssl crt-list ${files.crtList}`,
    `show map ${files.digests}`,
  ])
  const present = { servers: parseServers(servers), backends: parseBackends(backends) }
  const listed = parseCrtList(crtList)
  const known = new Map((parseMap(digests) ?? []).map(({ key, value }) => [key, value]))
  const certificates = listed === null ? [] : certificateSteps(wanted.certificates, { files: listed, digests: known })
  await carryOut(conversation, worker, [...certificates, ...admit(present, wanted.servers)])
  await fillMaps(conversation, worker, wanted.maps)
  const { steps, leaving } = retire(present, wanted.servers, drainingUpstreams(wanted.table.pools))
  await carryOut(conversation, worker, steps)
  return await remove(conversation, worker, leaving)
}

/** Each at once, and only those that differ; a map that the worker does not have is nobody's loss. */
async function fillMaps(conversation: Conversation, worker: Worker, wanted: Maps): Promise<void> {
  const names = [...wanted.keys()]
  const answers = await conversation.ask(
    worker,
    names.map((file) => `show map ${file}`),
  )
  const changed = differing(wanted, new Map(names.map((file, index) => [file, parseMap(answers[index] ?? '')])))
  const versions = await conversation.ask(
    worker,
    changed.map(({ file }) => `prepare map ${file}`),
  )
  await carryOut(
    conversation,
    worker,
    changed.flatMap(({ file, entries }, index) => fillMap(file, /\d+/.exec(versions[index] ?? '')?.[0] ?? '', entries)),
  )
}

async function carryOut(conversation: Conversation, worker: Worker, steps: readonly Step[]): Promise<void> {
  const answers = await conversation.ask(
    worker,
    steps.map(({ command }) => command),
  )
  for (const [index, { command, expected }] of steps.entries()) {
    const answer = answers[index] ?? ''
    if (!expected.test(answer))
      throw refusedConfig(`HAProxy refuses "${typeof command === 'string' ? command : command.line}"`, answer)
  }
}

/** Idle connections to a server are closed a moment after it was put into maintenance, and until then it cannot be deleted. */
const removalAttempts = 5

async function remove(conversation: Conversation, worker: Worker, paths: readonly string[]): Promise<readonly string[]> {
  let left = paths
  for (let attempt = 0; left.length > 0 && attempt < removalAttempts; attempt += 1) {
    if (attempt > 0) await sleep(5 * attempt)
    const answers = await conversation.ask(
      worker,
      left.map((path) => `del server ${path}`),
    )
    left = left.filter((_, index) => !/Server deleted|No such (?:server|backend)/.test(answers[index] ?? ''))
  }
  return left
}

async function look(state: State): Promise<BalancerObservation> {
  using conversation = await converse(state.directory)
  const workers = await conversation.workers()
  if (workers.length === 0) throw away()
  const rows = []
  for (const [index, worker] of workers.entries()) {
    const due = state.leaving.filter(({ pid }) => pid === worker.pid).map(({ path }) => path)
    try {
      const [answer = '', ...answers] = await conversation.ask(worker, ['show stat', ...due.map((path) => `del server ${path}`)])
      rows.push(parseStatistics(answer))
      const gone = due.filter((_, at) => /Server deleted|No such (?:server|backend)/.test(answers[at] ?? ''))
      state.leaving = state.leaving.filter(({ pid, path }) => pid !== worker.pid || !gone.includes(path))
    } catch (error) {
      // An old worker that has just ended has nothing more to say, and takes the conversation with it.
      if (index === 0) throw error
      break
    }
  }
  return observe(rows, state.known)
}
