/**
 * The CPU time of a peer with everything that it starts, keepers and programs too: a cgroup v2 for each peer, which all its processes inherit,
 * and beside it those that some of them join by themselves. In v2 a process is in one cgroup, so nothing is counted twice, and what a removed
 * cgroup has used stays in its parent's `cpu.stat`, which needs no controller (kernel: Documentation/admin-guide/cgroup-v2.rst, "CPU Interface
 * Files"). Not v1's `cpuacct`: our keepers leave whatever v1 cgroup their daemon is in. Without a v2 hierarchy nothing is said of it.
 * The bench itself is in a peer's cgroup while it starts it, for a different time with each; its own use is taken off.
 */

import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseCgroupMounts } from '../src/adapters/process/cgroups/mounts.ts'
import { readText } from '../src/system/read-quietly.ts'
import type { Peer } from './peers/peer.ts'

/** Of one peer. */
interface Account {
  readonly path: string
  /** Of the bench itself, while it was in this cgroup to start the peer: that is nobody's. In microseconds. */
  benchUs: number
  /** Null while it is not in there. */
  enteredAt: NodeJS.CpuUsage | null
}

export class CpuAccounts implements Disposable {
  readonly #mount: string | null
  readonly #home: string
  readonly #accounts = new Map<string, Account>()

  constructor() {
    this.#mount = parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8')).unified
    this.#home = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/'
  }

  /** What is spawned meanwhile belongs to the peer. One at a time. */
  async during<Value>({ name }: Pick<Peer, 'name'>, work: () => Promise<Value>): Promise<Value> {
    if (this.#mount === null) return work()
    const account = this.#accounts.get(name) ?? this.#open(name, this.#mount)
    this.#join(account.path)
    account.enteredAt = process.cpuUsage()
    try {
      return await work()
    } finally {
      this.#join(join(this.#mount, this.#home))
      account.benchUs += usedSince(account.enteredAt)
      account.enteredAt = null
    }
  }

  /** What it has used so far, in seconds; null where it is not counted. */
  seconds(peer: Pick<Peer, 'name' | 'cgroup'>): number | null {
    const account = this.#accounts.get(peer.name)
    if (account === undefined || this.#mount === null) return null
    const { path, benchUs, enteredAt } = account
    const own = peer.cgroup()
    const all = readUsage(path) + (own === null ? 0 : readUsage(join(this.#mount, own)))
    return (all - benchUs - (enteredAt === null ? 0 : usedSince(enteredAt))) / 1e6
  }

  [Symbol.dispose](): void {
    for (const { path } of this.#accounts.values()) {
      try {
        rmdirSync(path)
      } catch {
        // Something of it is still ending.
      }
    }
  }

  #open(name: string, mount: string): Account {
    const path = join(mount, `daruma-bench-${process.pid}-${this.#accounts.size}`)
    mkdirSync(path)
    const account = { path, benchUs: 0, enteredAt: null }
    this.#accounts.set(name, account)
    return account
  }

  #join(path: string): void {
    writeFileSync(join(path, 'cgroup.procs'), `${process.pid}`)
  }
}

/** By all threads of this process, and by none of its children. In microseconds. */
function usedSince(moment: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(moment)
  return user + system
}

/** By all that was ever in it, in microseconds; 0 where it is not there yet. */
const readUsage = (cgroup: string): number => Number(/^usage_usec (\d+)$/m.exec(readText(join(cgroup, 'cpu.stat')))?.[1] ?? 0)
