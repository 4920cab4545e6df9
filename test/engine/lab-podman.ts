/**
 * A real Podman service of the test's own: storage, sockets, mounts, network and locks apart from any other on this machine. It lives in
 * a mount and a network namespace that a holder keeps open, and its containers with it; who wants to reach a published port must go in
 * there. Podman has no daemon that containers hang on: a killed service is a service less, and they run on.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, globSync, mkdirSync, openSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { basename, join } from 'node:path'
import { hangLimit } from '../hang-limit.ts'
import { makeWorkshop } from '../clean-up.ts'
import { allPids, commandLine, identify, isAlive, type ProcessId, signalProcess, until } from '../processes.ts'
import { busyboxRoot } from './lab-engine.ts'

const onPath = (program: string): boolean =>
  [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'].some((folder) => existsSync(join(folder, program)))

/** A reason to skip, or false. */
export const needsPodman: string | false =
  process.geteuid?.() !== 0
    ? 'needs root'
    : !onPath('podman') || !onPath('runc') || !onPath('docker') || !existsSync('/bin/busybox')
      ? 'needs podman, runc, the client of docker and busybox-static'
      : ['netavark', 'aardvark-dns'].every((name) => globSync(`/usr/{lib,libexec}/podman/${name}`).length > 0)
        ? false
        : 'needs netavark and aardvark-dns'

export class LabPodman implements AsyncDisposable {
  readonly folder: string
  readonly isSlow = true
  readonly #name: string
  readonly #holder: ChildProcess
  #service: ProcessId | null = null

  private constructor(folder: string, holder: ChildProcess, name: string) {
    this.folder = folder
    this.#holder = holder
    this.#name = name
  }

  static async start(): Promise<LabPodman> {
    const folder = join(makeWorkshop(), 'engine')
    mkdirSync(folder)
    const words = ['--mount', '--net', '--propagation', 'private', 'tail', '-f', '/dev/null', join(folder, 'holder')]
    const holder = spawn('unshare', words, { stdio: 'ignore', detached: true })
    holder.unref()
    const podman = new LabPodman(folder, holder, `drm${process.pid.toString(36)}p`)
    try {
      await until('the namespaces', 5000, () => commandLine(holder.pid ?? 0)[0] === 'tail')
      podman.#prepare()
      await podman.run()
      podman.importImage('bb:1')
    } catch (error) {
      await podman[Symbol.asyncDispose]()
      throw error
    }
    return podman
  }

  get socket(): string {
    return join(this.folder, 'podman.sock')
  }

  /** For the daemon under test. */
  get environment(): Readonly<Record<string, string>> {
    return { DOCKER_HOST: `unix://${this.socket}` }
  }

  /** Where it reaches this machine, and this machine alone. */
  get hostAddress(): string {
    return `${networkOf(process.pid)}1`
  }

  /** Locks and run files are shared by all Podmans of a machine unless each has its own /dev/shm and /run. */
  #prepare(): void {
    const pid = `${this.#holder.pid}`
    const address = `${networkOf(process.pid)}2`
    this.inside('mount', '-t', 'tmpfs', 'shm', '/dev/shm')
    this.inside('mount', '-t', 'tmpfs', 'run', '/run')
    for (const words of [
      ['link', 'add', this.#name, 'type', 'veth', 'peer', 'name', 'lab0', 'netns', pid],
      ['addr', 'add', `${this.hostAddress}/30`, 'dev', this.#name],
      ['link', 'set', this.#name, 'up'],
    ])
      run('ip', words)
    for (const words of [
      ['link', 'set', 'lo', 'up'],
      ['addr', 'add', `${address}/30`, 'dev', 'lab0'],
      ['link', 'set', 'lab0', 'up'],
    ])
      this.inside('ip', ...words)
    writeFileSync(
      join(this.folder, 'containers.conf'),
      [
        '[containers]',
        // Within what a machine's root may have; by itself it asks for a million files.
        'default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]',
        '[engine]',
        'runtime = "runc"',
        'cgroup_manager = "cgroupfs"',
        'events_logger = "file"',
        '[network]',
        'network_backend = "netavark"',
        `network_config_dir = "${join(this.folder, 'networks')}"`,
      ].join('\n'),
    )
    writeFileSync(join(this.folder, 'registries.conf'), `[[registry]]\nlocation = "${this.hostAddress}"\ninsecure = true\n`)
  }

  /** Starts the service and waits until it answers. */
  async run(): Promise<void> {
    const log = openSync(join(this.folder, 'podman.log'), 'a')
    const flags = {
      '--root': join(this.folder, 'data'),
      // Its own /run: Podman wants a short path there.
      '--runroot': '/run/lab',
      '--tmpdir': '/run/lab-tmp',
      '--storage-driver': 'overlay',
    }
    const words = [...Object.entries(flags).flat(), 'system', 'service', '--time', '0', `unix://${this.socket}`]
    rmSync(this.socket, { force: true })
    const child = spawn('nsenter', ['--target', `${this.#holder.pid}`, '--mount', '--net', 'podman', ...words], {
      stdio: ['ignore', log, log],
      detached: true,
      env: {
        PATH: `${process.env['PATH']}:/usr/sbin`,
        HOME: this.folder,
        CONTAINERS_CONF: join(this.folder, 'containers.conf'),
        CONTAINERS_REGISTRIES_CONF: join(this.folder, 'registries.conf'),
      },
    })
    closeSync(log)
    child.unref()
    this.#service = await until('podman runs', 10_000, () => identify(child.pid ?? 0))
    await until('podman answers', 20_000, async () => (await this.ping()) || null).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.lastWords()}`)
    })
  }

  async ping(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const asked = request(
      { socketPath: this.socket, path: '/_ping', signal: AbortSignal.timeout(2000), headers: { Connection: 'close' } },
      (response) => {
        response.resume()
        resolve(response.statusCode === 200)
      },
    )
    asked.on('error', () => resolve(false))
    asked.end()
    return promise
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#service !== null) signalProcess(this.#service, signal)
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    const service = this.#service
    await until('the service is gone', 5000, () => service === null || !isAlive(service))
  }

  /** Docker's client, which speaks with Podman as our library does. */
  docker(...words: readonly string[]): string {
    return run('docker', words, { PATH: process.env['PATH'], HOME: this.folder, ...this.environment })
  }

  /** In its namespaces. */
  inside(...words: readonly string[]): string {
    return run('nsenter', ['--target', `${this.#holder.pid}`, '--mount', '--net', ...words])
  }

  importImage(name: string): void {
    const tar = join(this.folder, 'root.tar')
    run('tar', ['-C', busyboxRoot(this.folder), '-cf', tar, '.'])
    this.docker('import', tar, name)
  }

  lastWords(): string {
    try {
      return readFileSync(join(this.folder, 'podman.log'), 'utf8').split('\n').slice(-15).join('\n')
    } catch {
      return ''
    }
  }

  /** The service, the monitors of its containers and its name server are in our mount namespace; a container's cgroup tells its id. */
  #processes(): readonly number[] {
    const ours = linkOf(this.#holder.pid ?? 0)
    const ids = globSync(join(this.folder, 'data/overlay-containers/*')).map((path) => basename(path))
    return allPids().filter((pid) => {
      if (pid === this.#holder.pid) return false
      return (ours !== null && linkOf(pid) === ours) || ids.some((id) => id.length === 64 && cgroupOf(pid).includes(id))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGCONT')
    if (await this.ping()) {
      const ids = this.docker('ps', '-aq').split('\n').filter(Boolean)
      if (ids.length > 0) this.docker('rm', '-f', ...ids)
    }
    await until('everything of podman is gone', 20_000, () => {
      const remaining = this.#processes()
      for (const pid of remaining) {
        const id = identify(pid)
        if (id !== null) signalProcess(id, 'SIGKILL')
      }
      return remaining.length === 0
    })
    this.#holder.kill('SIGKILL')
    spawnSync('ip', ['link', 'del', this.#name])
    rmSync(join(this.folder, '..'), { recursive: true, force: true, maxRetries: 5 })
  }
}

function linkOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`)
  } catch {
    return null
  }
}

function cgroupOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8')
  } catch {
    return ''
  }
}

/** One of some thousand networks of two, drawn by the process id. */
const networkOf = (pid: number): string => `10.${130 + (pid % 20)}.${(pid >> 4) % 250}.`

function run(program: string, words: readonly string[], env?: Readonly<Record<string, string | undefined>>): string {
  const options = { encoding: 'utf8', timeout: hangLimit(60_000), ...(env === undefined ? {} : { env }) } as const
  const { status, stdout, stderr } = spawnSync(program, words, options)
  if (status !== 0) throw new Error(`${program} ${words.join(' ')}: ${stderr}`)
  return stdout.trim()
}
