/** The command line's tools, made of the real adapters; each is imported at its first use. */

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import type { Tools } from '../cli/tools.ts'
import { DarumaError } from '../ports/error.ts'
import { ownNodeDirectory } from './process/own-node.ts'

/** The host's scripts stand beside this folder, in the sources as in the build. */
const scripts = fileURLToPath(new URL('../host', import.meta.url))

const loadConfigEntry = new URL(`./load-config${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

export const tools: Tools = {
  findConfig: async (options) => (await (await import('../adapters/config-file/find.ts')).findConfig(options)).file,
  loadConfig: async (options) =>
    (await import('../adapters/config-file/guarded.ts')).loadGuarded({ ...options, entry: loadConfigEntry }),
  readSource: async (request) => (await import('./read-source.ts')).readSource(request),
  watchSources: async (options) => (await import('../adapters/source/watch.ts')).watchSources(options),
  resolveSecrets: async (project, environment) =>
    (await import('../adapters/secrets/index.ts')).resolveSecrets(project, environment),
  launchDaemon: async (options) => (await import('../adapters/supervision/index.ts')).launchDaemon({ ...options, scripts }),
  runDaemon: async (options) => (await import('./daemon.ts')).runDaemon(options),
  findEngineFault: async () => (await import('../adapters/docker/engine/sockets.ts')).findEngineFault(process.env),
  preflight: async (options) =>
    (await import('../adapters/preflight/index.ts')).preflight({ ...options, nodeDirectory: ownNodeDirectory }),
  listFormerStates: async (state) => (await import('./state/former-states.ts')).listFormerStates(state),
  findFormerStates: async (state, project) => (await import('./state/former-states.ts')).findFormerStates(state, project),
  inspectMachine: async (state) => (await import('./inspect-machine.ts')).inspectMachine(state),
  openBrowser,
  systemd: {
    isRunning: () => existsSync('/run/systemd/system'),
    control: runSystemctl,
    unitDirectory: '/etc/systemd/system',
  },
}

/** The browser goes on by itself. The link is on its command line for a moment, as it is for every link that is opened. */
function openBrowser(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn('xdg-open', [url], { stdio: 'ignore', detached: true })
    child.once('error', () => resolve(false))
    child.once('spawn', () => {
      child.unref()
      resolve(true)
    })
  })
}

/** systemd starts the daemon within its own time-out of 90 s; this one only ends a systemctl that hangs. */
const controlLimitMs = 120_000
const maxOutput = 64 * 1024

function runSystemctl(words: readonly string[]): Promise<string> {
  const child = spawn('systemctl', ['--no-pager', ...words], { stdio: ['ignore', 'pipe', 'pipe'], timeout: controlLimitMs })
  let output = ''
  const collect = (part: Buffer): void => {
    if (output.length < maxOutput) output += part.toString('utf8')
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void =>
      reject(new DarumaError('E_SYSTEMD', `systemctl ${words.join(' ')}: ${why}`, { hint: 'journalctl -xe says more.', cause }))
    child.once('error', (error) => fail(error.message, error))
    child.once('close', (code) => (code === 0 ? resolve(output) : fail(output.trim() || `exit code ${code}`)))
  })
}
