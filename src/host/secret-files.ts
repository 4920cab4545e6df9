/**
 * Secrets that an instance is given as files: one folder for each instance, in a file system in memory, made at its start and removed
 * when nothing of it is left. What a newcomer would get wrong: `/run` is not always in memory, and what is in memory may be swapped to
 * a disk. So root mounts a file system of its own, without swap where the kernel has that (tmpfs(5), `noswap`, Linux 6.4).
 */

import { execFile } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, rmSync, rmdirSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import type { InstanceRef, StartOrder } from '../ports/runtime/runtime.ts'
import { isMissing } from '../system/errno.ts'
import { readText } from '../system/read-quietly.ts'
import { slotName } from './slot-files.ts'

const run = promisify(execFile)

/** `TMPFS_MAGIC` and `RAMFS_MAGIC` (statfs(2)). */
const inMemory: readonly number[] = [0x01021994, 0x858458f6]
const mountLimitMs = 10_000
/** Far above what the secrets of a host have together: a value has at most 120 KiB. */
const mountSize = '256m'

export interface SecretOwner {
  readonly uid: number
  readonly gid: number
}

/** Others must get through to what is theirs; into a container the engine brings it. */
const kindModes = { processes: 0o711, containers: 0o700 } as const

export class SecretFiles {
  readonly #stateId: string
  readonly #kind: keyof typeof kindModes
  readonly #isRoot: boolean = process.geteuid?.() === 0
  #root: Promise<string> | null = null

  constructor(stateId: string, kind: keyof typeof kindModes) {
    this.#stateId = stateId
    this.#kind = kind
  }

  /** Makes the file system, which instances see that are made afterwards. What goes wrong is told when a file is wanted. */
  async prepare(): Promise<void> {
    if (this.#isRoot) await this.#ensureRoot().catch(() => {})
  }

  /** Makes the files of a process that is about to start; its order with their variables. */
  async give<Order extends StartOrder>(order: Order, user: SecretOwner | null, undo: (() => void)[]): Promise<Order> {
    const { secretFiles } = order
    if (Object.keys(secretFiles).length === 0) return order
    const owner = user ?? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
    undo.push(() => this.remove(order))
    const folder = await this.make(order, secretFiles, owner)
    return { ...order, environment: { ...order.environment, ...secretVariables(folder, secretFiles) } }
  }

  /**
   * Writes the files of one instance and returns their folder. Only `owner` reads them; null, of a container whose user only its image
   * knows: any user in it.
   */
  async make(instance: InstanceRef, files: Readonly<Record<string, string>>, owner: SecretOwner | null): Promise<string> {
    const above = join(await this.#ensureRoot(), this.#kind)
    const folder = join(above, folderName(instance))
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(above, { recursive: true, mode: kindModes[this.#kind] })
    mkdirSync(folder, { mode: 0o700 })
    for (const [file, value] of Object.entries(files)) {
      const path = join(folder, file)
      writeFileSync(path, value, { flag: 'wx', mode: 0o400 })
      if (owner === null) chmodSync(path, 0o444)
      else if (this.#isRoot) chownSync(path, owner.uid, owner.gid)
    }
    if (owner !== null && this.#isRoot) chownSync(folder, owner.uid, owner.gid)
    chmodSync(folder, owner === null ? 0o555 : 0o500)
    return folder
  }

  /** Does nothing where there are none. */
  remove(instance: InstanceRef): void {
    for (const root of this.#roots()) removeFolder(join(root, this.#kind, folderName(instance)))
  }

  /** Removes what a daemon that died has left: of instances that are no more. */
  sweep(live: Iterable<InstanceRef>): void {
    const names = new Set([...live].map(folderName))
    for (const root of this.#roots())
      for (const name of list(join(root, this.#kind))) if (!names.has(name)) removeFolder(join(root, this.#kind, name))
  }

  /** Leaves nothing of a state in which nothing runs. */
  async close(): Promise<void> {
    for (const root of this.#roots()) {
      if (Object.keys(kindModes).some((kind) => list(join(root, kind)).length > 0)) continue
      for (const kind of list(root)) removeFolder(join(root, kind))
      if (this.#isRoot) await run('umount', [root], { timeout: mountLimitMs }).catch(() => {})
      try {
        rmdirSync(root)
      } catch {
        // Somebody has restarted.
      }
    }
    this.#root = null
  }

  #roots(): readonly string[] {
    return this.#candidates().filter((path) => existsSync(path))
  }

  #candidates(): readonly string[] {
    if (this.#isRoot) return [`/run/daruma/${this.#stateId}/.secrets`]
    const runtime = process.env['XDG_RUNTIME_DIR']
    const places = [...(runtime === undefined ? [] : [runtime]), `/run/user/${process.geteuid?.() ?? 0}`, '/dev/shm']
    return places.map((place) => join(place, `daruma-${this.#stateId}`))
  }

  #ensureRoot(): Promise<string> {
    this.#root ??= (this.#isRoot ? this.#mountRoot() : this.#findRoot()).catch((error: unknown) => {
      this.#root = null
      throw error
    })
    return this.#root
  }

  async #mountRoot(): Promise<string> {
    const [root = ''] = this.#candidates()
    // Volumes of other users are seen below it too, and a daemon's umask would keep them out.
    mkdirSync(join(root, '..'), { recursive: true, mode: 0o711 })
    chmodSync(join(root, '..'), 0o711)
    mkdirSync(root, { recursive: true, mode: 0o711 })
    if (isMountPoint(root)) return root
    const options = `nosuid,nodev,noexec,mode=0711,size=${mountSize}`
    const mount = (more: string): Promise<unknown> =>
      run('mount', ['-t', 'tmpfs', '-o', `${options}${more}`, 'daruma-secrets', root], { timeout: mountLimitMs })
    await mount(',noswap').catch(() => mount(''))
    return root
  }

  async #findRoot(): Promise<string> {
    for (const root of this.#candidates()) {
      const place = join(root, '..')
      if (!existsSync(place) || !inMemory.includes(statfsSync(place).type)) continue
      mkdirSync(root, { recursive: true, mode: 0o700 })
      return root
    }
    throw new Error(
      'a secret can only be given as a file in memory, and this user has none: neither XDG_RUNTIME_DIR nor /dev/shm is a tmpfs',
    )
  }
}

/** The fifth field of mountinfo (proc(5)). */
const isMountPoint = (path: string): boolean =>
  readText('/proc/self/mountinfo')
    .split('\n')
    .some((line) => line.split(' ')[4] === path)

const folderName = ({ slot, epoch }: InstanceRef): string => `${slotName(slot)}.${epoch}`

/** A folder that only its owner may write is opened first: not everybody who removes is root. */
function removeFolder(path: string): void {
  try {
    chmodSync(path, 0o700)
  } catch (error) {
    if (isMissing(error)) return
    throw error
  }
  rmSync(path, { recursive: true, force: true })
}

function list(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** What the instance finds in its environment. */
export function secretVariables(folder: string, files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.keys(files).map((name) => [`DARUMA_SECRET_${name.toUpperCase()}`, join(folder, name)]))
}
