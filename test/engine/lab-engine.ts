/**
 * A real dockerd of the test's own: data, sockets, mounts, network and cgroups apart from any other on this machine, and nothing left of
 * it however the test ends. It lives in a mount namespace that a holder keeps open, so that a killed engine's successor finds its
 * mounts as on a real machine, and all of them vanish with the holder.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  rmdirSync,
  symlinkSync,
  copyFileSync,
  openSync,
  closeSync,
} from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { hangLimit } from '../hang-limit.ts'
import { makeWorkshop } from '../clean-up.ts'
import { allPids, commandLine, identify, isAlive, type ProcessId, signalProcess, until } from '../processes.ts'

/** A reason to skip, or false. */
export const needsEngine: string | false =
  process.geteuid?.() !== 0
    ? 'needs root'
    : onPath('dockerd') && onPath('docker') && existsSync('/bin/busybox')
      ? false
      : 'needs dockerd (docker.io) and busybox-static'

const startLimitMs = 60_000

export interface EngineOptions {
  readonly liveRestore?: boolean
  /** Where the networks that it makes have their addresses. */
  readonly addressPool?: string
}

export class LabEngine implements AsyncDisposable {
  readonly folder: string
  readonly isSlow = false
  readonly #name: string
  readonly #holder: ChildProcess
  readonly #options: EngineOptions
  #engine: ProcessId | null = null

  private constructor(folder: string, holder: ChildProcess, name: string, options: EngineOptions) {
    this.folder = folder
    this.#holder = holder
    this.#name = name
    this.#options = options
  }

  static async start(options: EngineOptions = {}): Promise<LabEngine> {
    const folder = join(makeWorkshop(), 'engine')
    mkdirSync(folder)
    const name = `drm${process.pid.toString(36)}x${(serial += 1)}`
    // It names the folder, so that whoever cleans up after a killed test run finds it too.
    const words = ['--mount', '--propagation', 'private', 'tail', '-f', '/dev/null', join(folder, 'holder')]
    const holder = spawn('unshare', words, { stdio: 'ignore', detached: true })
    holder.unref()
    const engine = new LabEngine(folder, holder, name, options)
    try {
      removeDeadBridges()
      makeBridge(name)
      await until('the mount namespace', 5000, () => commandLine(holder.pid ?? 0)[0] === 'tail')
      await engine.run()
      engine.importImage('bb:1')
    } catch (error) {
      await engine[Symbol.asyncDispose]()
      throw error
    }
    return engine
  }

  get socket(): string {
    return join(this.folder, 'docker.sock')
  }

  /** For the daemon under test. */
  get environment(): Readonly<Record<string, string>> {
    return { DOCKER_HOST: `unix://${this.socket}` }
  }

  get hostAddress(): string {
    return '127.0.0.1'
  }

  get pid(): number {
    return this.#engine?.pid ?? 0
  }

  /** Starts dockerd and waits until it answers. */
  async run(): Promise<void> {
    const log = openSync(join(this.folder, 'dockerd.log'), 'a')
    const flags = {
      '--data-root': join(this.folder, 'data'),
      '--exec-root': join(this.folder, 'exec'),
      '--pidfile': join(this.folder, 'dockerd.pid'),
      '--host': `unix://${this.socket}`,
      '--iptables': 'false',
      '--ip6tables': 'false',
      '--bridge': this.#name,
      // Nobody outside is asked for a name.
      '--dns': '127.0.0.1',
      '--default-address-pool': this.#options.addressPool ?? `base=${poolOf(process.pid)}0/20,size=26`,
      '--cgroup-parent': `/${this.#name}`,
      '--exec-opt': 'native.cgroupdriver=cgroupfs',
      '--live-restore': `${this.#options.liveRestore === true}`,
    }
    const words = Object.entries(flags).map(([name, value]) => `${name}=${value}`)
    // What a killed one left behind would keep the next from starting.
    for (const file of ['dockerd.pid', 'exec/containerd/containerd.pid']) rmSync(join(this.folder, file), { force: true })
    // What it and its containerd write when they are in trouble goes with them.
    const temporary = join(this.folder, 'tmp')
    mkdirSync(temporary, { recursive: true })
    const child = spawn('nsenter', ['--target', `${this.#holder.pid}`, '--mount', 'dockerd', ...words], {
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...process.env, TMPDIR: temporary },
    })
    closeSync(log)
    child.unref()
    this.#engine = await until('dockerd runs', 10_000, () => identify(child.pid ?? 0))
    await until(`dockerd answers\n${this.lastWords()}`, startLimitMs, async () => (await this.ping()) || null)
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
    if (this.#engine !== null) signalProcess(this.#engine, signal)
  }

  /** As a crash does: its shims and the containers go on. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    const engine = this.#engine
    await until('dockerd is gone', 5000, () => engine === null || !isAlive(engine))
    // Its containerd dies with it; the next one must not meet the old one's socket.
    await until('containerd is gone', 10_000, () =>
      this.#processes().every((pid) => !/(^|\/)containerd$/.test(commandLine(pid)[0] ?? '')),
    )
  }

  /** The client, as a person would use it. */
  docker(...words: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync('docker', words, {
      encoding: 'utf8',
      timeout: hangLimit(60_000),
      env: { PATH: process.env['PATH'], HOME: this.folder, ...this.environment },
    })
    if (status !== 0) throw new Error(`docker ${words.join(' ')}: ${stderr}`)
    return stdout.trim()
  }

  /** Ports are published on this machine's own loopback. */
  inside(program: string, ...words: readonly string[]): string {
    return spawnSync(program, words, { encoding: 'utf8', timeout: hangLimit(60_000) }).stdout.trim()
  }

  /** A root of busybox and its usual names, made here: no registry is asked. */
  importImage(name: string, options: { readonly platform?: string; readonly changes?: readonly string[] } = {}): void {
    const root = busyboxRoot(this.folder)
    const tar = join(this.folder, 'root.tar')
    spawnSync('tar', ['-C', root, '-cf', tar, '.'])
    const changes = (options.changes ?? []).flatMap((change) => ['--change', change])
    this.docker('import', ...(options.platform === undefined ? [] : ['--platform', options.platform]), ...changes, tar, name)
  }

  lastWords(): string {
    try {
      return readFileSync(join(this.folder, 'dockerd.log'), 'utf8').split('\n').slice(-15).join('\n')
    } catch {
      return ''
    }
  }

  /** Everything that names our folder, or sits in our cgroups. */
  #processes(): readonly number[] {
    return allPids().filter(
      (pid) => pid !== process.pid && pid !== this.#holder.pid && commandLine(pid).some((word) => word.includes(this.folder)),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGCONT')
    this.signal('SIGTERM')
    const engine = this.#engine
    const end = performance.now() + hangLimit(5000)
    while (engine !== null && isAlive(engine) && performance.now() < end) await sleep(20)
    await until('everything of the engine is gone', 20_000, () => {
      const remaining = [...this.#processes(), ...cgroupMembers(this.#name)]
      for (const pid of remaining) {
        const id = identify(pid)
        if (id !== null) signalProcess(id, 'SIGKILL')
      }
      return remaining.length === 0
    })
    this.#holder.kill('SIGKILL')
    spawnSync('ip', ['link', 'del', this.#name])
    await until(`the cgroups of ${this.#name} are removed`, 5000, () => {
      removeCgroups(this.#name)
      return cgroupsBelow(this.#name).length === 0
    })
    assert.ok(!existsSync(join('/sys/class/net', this.#name)), `the bridge ${this.#name} is removed`)
    removeDeadBridges()
    rmSync(join(this.folder, '..'), { recursive: true, force: true, maxRetries: 5 })
  }
}

let serial = 0

/** Of test runs that were killed, and of an engine that has just ended. Their other leavings are found by their folder. */
function removeDeadBridges(): void {
  const living: string[] = []
  for (const name of readdirSync('/sys/class/net')) {
    const owner = /^drm([0-9a-z]+)x\d+$/.exec(name)?.[1]
    if (owner === undefined) continue
    if (identify(Number.parseInt(owner, 36)) !== null) {
      living.push(poolOf(Number.parseInt(owner, 36)))
      continue
    }
    spawnSync('ip', ['link', 'del', name])
    removeCgroups(name)
  }
  // The engine's own, of its networks, are known by their addresses alone.
  const listed = spawnSync('ip', ['-json', '-4', 'addr', 'show', 'type', 'bridge'], { encoding: 'utf8' }).stdout.trim()
  const bridges = JSON.parse(listed === '' ? '[]' : listed) as readonly {
    readonly ifname?: string
    readonly addr_info?: readonly { readonly local: string }[]
  }[]
  for (const { ifname = '', addr_info: [address] = [] } of bridges) {
    const [, second = '', third = ''] = address?.local.split('.') ?? []
    const isOurs = /^br-[0-9a-f]{12}$/.test(ifname) && pools.test(address?.local ?? '')
    if (isOurs && !living.includes(`10.${second}.${Number(third) & 0xf0}.`)) spawnSync('ip', ['link', 'del', ifname])
  }
}

/** One of 800 ranges for the networks that an engine makes, drawn by the process id: the beginning of its first address. */
const poolOf = (pid: number): string => `10.${150 + (pid % 50)}.${((pid >> 6) % 16) * 16}.`
const pools = /^10\.1[5-9]\d\./

function makeBridge(name: string): void {
  // One of 16,000 small networks that nobody routes, drawn by the process id.
  const subnet = `10.${200 + (process.pid % 50)}.${(process.pid >> 6) % 250}.${(serial * 16 + 1) % 240}`
  for (const words of [
    ['link', 'add', name, 'type', 'bridge'],
    ['addr', 'add', `${subnet}/28`, 'dev', name],
    ['link', 'set', name, 'up'],
  ]) {
    const { status, stderr } = spawnSync('ip', words, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`ip ${words.join(' ')}: ${stderr}`)
  }
}

export function busyboxRoot(folder: string): string {
  const root = join(folder, 'root')
  if (existsSync(root)) return root
  mkdirSync(join(root, 'bin'), { recursive: true })
  mkdirSync(join(root, 'tmp'))
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'))
  for (const name of [
    'sh',
    'sleep',
    'echo',
    'cat',
    'httpd',
    'nc',
    'id',
    'ls',
    'kill',
    'true',
    'false',
    'date',
    'tail',
    'dd',
    'touch',
    'env',
    'wget',
    'seq',
    'head',
  ])
    symlinkSync('busybox', join(root, 'bin', name))
  return root
}

const cgroupMounts = (): readonly string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4] ?? '')

function cgroupsBelow(name: string): readonly string[] {
  return cgroupMounts().flatMap((mount) => {
    const root = join(mount, name)
    if (!existsSync(root)) return []
    const below = readdirSync(root, { withFileTypes: true, recursive: true })
    const all = below.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))
    return [...all, root].toSorted((a, b) => b.length - a.length)
  })
}

function cgroupMembers(name: string): readonly number[] {
  return cgroupsBelow(name).flatMap((directory) => {
    try {
      return readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
    } catch {
      return []
    }
  })
}

function removeCgroups(name: string): void {
  for (const directory of cgroupsBelow(name)) {
    try {
      rmdirSync(directory)
    } catch {
      // A zombie still counts on v1.
    }
  }
}

function onPath(program: string): boolean {
  return [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'].some((folder) => existsSync(join(folder, program)))
}
