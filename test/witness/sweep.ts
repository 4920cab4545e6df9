/**
 * The witness's second eye: processes that never heard of it (PostgreSQL, children left behind) are known by their environment,
 * which a program inherits and cannot shed by forking or by closing descriptors. Keepers do not count: a late keeper may stand
 * beside a newer epoch, as long as it runs nothing.
 */

import { readFileSync, readlinkSync } from 'node:fs'
import { allPids, commandLine, environmentOf, isAlive, processFacts, type ProcessFacts } from '../processes.ts'
import { usualProject } from '../slot-directory.ts'
import type { Copy } from './ledger.ts'

/** A process that has not shown its colours after this time never will: it is not ours. */
const settledAfterTicks = 200
/** The kernel gives a free pid away again only when it has gone through all others: within this time a pid is whose it was. */
const samePidMs = 1000

export interface Sweep {
  /** Those of our copies that are alive now, one for each slot and epoch. */
  look(): readonly Copy[]
  /** From now on also the built-in services (`@balancer`) of that state directory, which nobody can give the port to; `name` tells them apart. */
  watch(state: string, name: string): void
}

/** Sees processes whose environment has `WITNESS_PORT` equal to `port`. */
export function createSweep(port: number): Sweep {
  /** Read once, and not again while their pids are listed: a hundred of them would be most of the work of each look. */
  const strangers = new Set<number>()
  let lookedAtMs = -Infinity
  const ours = new Map<string, Copy>()
  const watched = new Map<string, string>()

  /** The name of the watched state whose built-in service this is. */
  const watchedBy = (facts: ProcessFacts, slot: string): string | null => {
    if (!slot.startsWith('@')) return null
    const signs = [workingDirectory(facts.pid), ...commandLine(facts.pid)]
    for (const [state, name] of watched) if (signs.some((sign) => sign.includes(`${state}/`))) return name
    return null
  }

  const examine = (facts: ProcessFacts): Copy | null => {
    const environment = environmentOf(facts.pid)
    const slot = slotOf(environment)
    if (environment['WITNESS_PORT'] === String(port) && slot !== null && !isCompanion(facts)) {
      return { slot, epoch: Number(environment['DARUMA_EPOCH']), kind: facts.name, process: facts, seenBy: 'sweep' }
    }
    const builtIn = slot === null || isCompanion(facts) ? null : watchedBy(facts, slot)
    if (slot !== null && builtIn !== null) {
      const epoch = Number(environment['DARUMA_EPOCH'])
      return { slot: `${builtIn}${slot}`, epoch, kind: facts.name, process: facts, seenBy: 'sweep' }
    }
    if (facts.startTicks + settledAfterTicks < newestTicks()) strangers.add(facts.pid)
    return null
  }

  return {
    watch(state, name) {
      watched.set(state, name)
    },
    look() {
      const found = new Map<string, Copy>()
      for (const copy of ours.values()) {
        if (copy.process !== null && isAlive(copy.process)) found.set(nameOf(copy), copy)
      }
      const pids = new Set(allPids())
      const nowMs = performance.now()
      for (const pid of strangers) if (!pids.has(pid) || nowMs - lookedAtMs > samePidMs) strangers.delete(pid)
      lookedAtMs = nowMs
      for (const pid of pids) {
        if (strangers.has(pid)) continue
        const facts = processFacts(pid)
        if (facts === null || facts.state === 'Z' || facts.state === 'X') continue
        const copy = examine(facts)
        if (copy !== null && !found.has(nameOf(copy))) found.set(nameOf(copy), copy)
      }
      ours.clear()
      for (const [name, copy] of found) ours.set(name, copy)
      return [...found.values()]
    },
  }
}

/** With its project in front where it is not the one that the configs of tests usually describe: two projects have slots of one name. */
export function slotOf(environment: Readonly<Record<string, string | undefined>>): string | null {
  const { DARUMA_SLOT: slot, DARUMA_EPOCH: epoch, DARUMA_SERVICE: service = '', DARUMA_PROJECT: project } = environment
  if (slot === undefined || epoch === undefined) return null
  const named = slot.includes('/') ? slot : `${service}/${slot}`
  const isUsual = project === undefined || project === '' || project === usualProject || slot.startsWith('@')
  return isUsual ? named : `${project}/${named}`
}

function workingDirectory(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return ''
  }
}

const nameOf = (copy: Copy): string => `${copy.slot} ${copy.epoch}`

/** The start time of a process that would be born now: the clock that /proc uses for all of them. */
const newestTicks = (): number => Math.floor(Number(process.hrtime.bigint() / 10_000_000n))

/** A keeper, `unshare` on its way to one, or a tool that a keeper runs for itself before there is a command. */
function isCompanion(facts: ProcessFacts): boolean {
  const words = commandLine(facts.pid)
  return words.length === 0 || words.some((word) => /\/keeper-[0-9a-f]+\.sh$/.test(word)) || isToolOfKeeper(facts)
}

/** A keeper joins its epoch's cgroup after its last tool and before its command; the tool may outlive a killed keeper for a moment. */
function isToolOfKeeper({ pid, name }: ProcessFacts): boolean {
  if (name !== 'flock' && name !== 'sleep') return false
  try {
    return !readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes('/daruma/')
  } catch {
    return true
  }
}
