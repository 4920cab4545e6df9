/**
 * The CPU time of a peer with everything that it starts, keepers and programs too: a cgroup of the `cpuacct` controller for each peer, which
 * all its processes inherit and none of them leaves. Where the host has no such hierarchy nothing is said of it.
 */

import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseCgroupMounts } from '../src/adapters/process/cgroups/mounts.ts'

export class CpuAccounts implements Disposable {
  readonly #mount: string | null
  readonly #home: string
  readonly #paths = new Map<string, string>()

  constructor() {
    this.#mount = parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8')).controllers.get('cpuacct') ?? null
    this.#home = /^\d+:(?:[^:]*,)?cpuacct(?:,[^:]*)?:(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/'
  }

  /** What is spawned meanwhile belongs to `who`. One at a time. */
  async during<Value>(who: string, work: () => Promise<Value>): Promise<Value> {
    if (this.#mount === null) return work()
    const path = this.#paths.get(who) ?? join(this.#mount, this.#home, `daruma-bench-${process.pid}-${this.#paths.size}`)
    mkdirSync(path, { recursive: true })
    this.#paths.set(who, path)
    this.#join(path)
    try {
      return await work()
    } finally {
      this.#join(join(this.#mount, this.#home))
    }
  }

  /** What `who` has used so far, in seconds; null where nobody counts it. */
  seconds(who: string): number | null {
    const path = this.#paths.get(who)
    return path === undefined ? null : Number(readFileSync(join(path, 'cpuacct.usage'), 'utf8')) / 1e9
  }

  [Symbol.dispose](): void {
    for (const path of this.#paths.values()) {
      try {
        rmdirSync(path)
      } catch {
        // Something of it is still ending.
      }
    }
  }

  #join(path: string): void {
    writeFileSync(join(path, 'cgroup.procs'), `${process.pid}`)
  }
}
