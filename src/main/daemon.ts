/**
 * Assembles the daemon from the real adapters, in the one order that is safe: the lock first, then the database, then the listening
 * socket last, so that anyone who can connect finds a daemon that knows its world.
 */

import { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { homedir, hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeClock } from '../adapters/node/clock.ts'
import { createCommandRunner } from '../adapters/node/command.ts'
import { stderrLog } from '../adapters/node/log.ts'
import { nodeRandom } from '../adapters/node/random.ts'
import { createNet } from '../adapters/net/index.ts'
import { createProcessRuntime } from '../adapters/process/index.ts'
import { surveyForRuntimes } from '../adapters/process/survey.ts'
import { maxParallelStarts, StartTurns } from '../system/start-turns.ts'
import { findAccount } from '../system/account.ts'
import { createReleases } from '../adapters/releases/index.ts'
import { markConfigs } from '../adapters/state-directory/config-marks.ts'
import { openStateDirectory } from '../adapters/state-directory/index.ts'
import { createCompanions, readSupervisor } from '../adapters/supervision/index.ts'
import { serve } from '../adapters/http/socket.ts'
import { Daemon } from '../daemon/daemon.ts'
import { TelemetryReader } from '../daemon/metrics/telemetry-reader.ts'
import { DashboardListener } from '../daemon/api/dashboard-listener.ts'
import { makeRoutes } from '../daemon/api/routes.ts'
import type { Checkpoint } from '../ports/checkpoint.ts'
import { DarumaError } from '../ports/error.ts'
import type { PageServer } from '../ports/page-server.ts'
import { directWire } from '../protocol/exchange/direct-wire.ts'
import { refuseFormer } from '../protocol/former-states.ts'
import { socketAddress } from '../protocol/socket.ts'
import { createBalancers } from './balancers.ts'
import { lazyCertificateKeeper } from './certificates.ts'
import { askContainers, assembleContainers } from './containers.ts'
import { databaseFile, isDamaged, noteDamage, openStore } from './state/emergency-store.ts'
import { examineDaemon } from './examine.ts'
import { ownNode, ownNodeDirectory } from './process/own-node.ts'
import { findFormerStates, refuseInTheWay } from './state/former-states.ts'
import { createHomes } from './homes.ts'
import { lazyWebhooks } from './webhooks.ts'

/** Ended on request: nobody should start another. */
const endedOnRequest = 0
/** EX_CONFIG of sysexits(3): refused, and trying again would be refused again. */
const refused = 78
/** The daemon could not go on where another one can. */
const broken = 1

/**
 * What only a person can change, and what would be no better for trying. Everything else is tried again forever: a disk that fails, a
 * file system that is read-only for a while, a machine that is out of files.
 */
const refusals: ReadonlySet<string> = new Set([
  'E_DAEMON_RUNNING',
  'E_STATE_COPIED',
  'E_STATE_MOVED',
  'E_STATE_NEWER',
  'E_STATE_FORMER',
  'E_STORE_NEWER',
])

/** Runs until asked to end. Resolves to the exit code; a refusal is told on standard error. */
export async function runDaemon(options: { readonly state: string; readonly takeOver: boolean }): Promise<number> {
  // Files that the daemon makes are its own business; what services make is theirs (the keeper sets their umask).
  process.umask(0o077)
  try {
    return await run(options)
  } catch (error) {
    if (!(error instanceof DarumaError)) throw error
    if (isDamaged(error)) await noteDamage(options.state, error)
    process.stderr.write(`daruma: ${error.message} (${error.code})\n${error.hint === null ? '' : `${error.hint}\n`}`)
    return refusals.has(error.code) ? refused : broken
  }
}

async function run(options: { readonly state: string; readonly takeOver: boolean }): Promise<number> {
  refuseInTheWay(options.state)
  const directory = await openStateDirectory({ path: options.state, takeOver: options.takeOver, askContainers })
  const checkpoint = await attachedCheckpoint()
  const version = readVersion()
  const startedAt = nodeClock.wallTime()
  const log = stderrLog
  await directory
    .writeFile('daemon.json', `${JSON.stringify({ pid: process.pid, startTicks: ownStartTicks(), startedAt, version })}\n`)
    .catch(ignoreFullDisk)
  const { store, storeFault } = await openStore(directory.path)
  await using _store = store
  const opened = await inodeOf(databaseFile(directory.path))
  const scripts = fileURLToPath(new URL('../host', import.meta.url))
  const starts = new StartTurns({ limit: maxParallelStarts, retries: 'bounded' })
  const survey = surveyForRuntimes({ stateId: directory.stateId, log })
  // For what is no project's: the balancer.
  await using runtime = await createProcessRuntime({
    stateDirectory: directory.path,
    stateId: directory.stateId,
    scripts,
    checkpoint,
    log,
    // A balancer falls alone.
    standBy: 1,
    starts,
    survey,
  })
  const releases = createReleases({ directory: directory.pathOf('releases'), lookUpUser: findAccount })
  await using containers = assembleContainers({ checkpoint, log, onEngine: (fault) => daemon.noteEngine(fault) })
  // The very file that this process was started with, so that a daemon run from its sources is restarted from its sources.
  const entry = process.argv[1] ?? fileURLToPath(new URL('./cli.js', import.meta.url))
  const companions = createCompanions({ state: directory.path, node: ownNode, entry, scripts })
  const runs = readSupervisor(directory.path)
  const daemon: Daemon = new Daemon(
    {
      directory,
      markConfigs: (files) => markConfigs(directory, files),
      refuseFormer: async (project) => refuseFormer(directory.path, await findFormerStates(directory.path, project)),
      store,
      storeFault,
      runtime,
      ...createHomes({
        directory,
        containers,
        scripts,
        checkpoint,
        log,
        starts,
        survey,
        wantsContainers: (place) => daemon.projects.wantsContainers(place),
      }),
      images: containers.images,
      releases,
      net: createNet({ version }),
      webhooks: lazyWebhooks({ version }),
      commands: createCommandRunner(),
      wire: directWire,
      balancers: createBalancers({ stateDirectory: directory.path }),
      certificates: lazyCertificateKeeper({ stateDirectory: directory.path, node: ownNode }),
      clock: nodeClock,
      cron: async () => (await import('../adapters/croner/index.ts')).cronerCron,
      random: nodeRandom,
      log,
      checkpoint,
      companions,
      isStoreReplaced: async () => (await inodeOf(databaseFile(directory.path))) !== opened,
    },
    {
      pid: process.pid,
      version,
      host: hostname(),
      home: async (user) => (user === null ? homedir() : ((await findAccount(user))?.home ?? '/')),
      nodeDirectory: ownNodeDirectory,
      memoryBytes: () => process.memoryUsage.rss(),
      isOnDemand: runs === 'supervised',
    },
  )
  await daemon.start()
  const pageServer: PageServer = {
    open: async (options) => {
      // Of use to few daemons at few times: it is loaded when the page is opened.
      const { openPage } = await import('../adapters/http/page.ts')
      return openPage({ ...options, routes, folder: join(import.meta.dirname, '../../dist/dashboard'), log })
    },
  }
  const telemetry = new TelemetryReader({
    daemon,
    clock: nodeClock,
    version,
    host: hostname(),
  })
  const page = new DashboardListener({ server: pageServer, directory, clock: nodeClock, random: nodeRandom, log })
  const routes = makeRoutes({
    daemon,
    releases,
    clock: nodeClock,
    about: { version, pid: process.pid, state: directory.path, runs },
    examine: () => examineDaemon({ directory, runtime, daemon, images: containers.images }),
    stop: () => void daemon.stop({ kind: 'asked', message: 'asked by a command' }),
    telemetry,
    page,
  })
  using address = socketAddress(directory.path)
  const server = await serve({
    address: address.path,
    file: directory.pathOf('daemon.sock'),
    log,
    routes,
  })
  await page.resume()
  // A supervised daemon is asked to end through its socket; a signal is earlyoom's, or somebody's mistake. An init system asks by one.
  const isAsked = runs !== 'supervised'
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => void daemon.stop({ kind: isAsked ? 'asked' : 'broken', message: `${signal} from outside` }))
  const { kind } = await daemon.end
  await page.close()
  await releases.close()
  server.close()
  return kind === 'asked' ? endedOnRequest : broken
}

/** Fault tests attach here; the variable is read nowhere else, and nothing in production sets it. */
async function attachedCheckpoint(): Promise<Checkpoint> {
  const driver = process.env['DARUMA_CHECKPOINTS']
  if (driver === undefined || driver === '') return null
  const { attachCheckpoints } = await import('../adapters/checkpoint/index.ts')
  return attachCheckpoints(driver)
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as { version: string }
  return version
}

/** Field 22 of /proc/self/stat: with the pid it names this process and no later one. */
function ownStartTicks(): number | null {
  try {
    const line = readFileSync('/proc/self/stat', 'utf8')
    return Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[19])
  } catch {
    return null
  }
}

async function inodeOf(file: string): Promise<string> {
  return stat(file, { bigint: true }).then(
    ({ ino, dev }) => `${dev}:${ino}`,
    () => 'gone',
  )
}

function ignoreFullDisk(error: unknown): void {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error
}
