/**
 * The witness outside: which instances live on a host, read from this machine's /proc without asking the product. A keeper has its
 * instance's environment too, and so have the instance's children: neither is a copy of it.
 */

import { commandLine, environmentOf, processFacts } from '../processes.ts'
import type { LabHost } from './host.ts'

export interface Copy {
  readonly slot: string
  readonly epoch: number
  /** As seen from outside: together with the start time it names one process forever. */
  readonly pid: number
  readonly startTicks: number
}

export function livingCopies(host: LabHost): readonly Copy[] {
  const found = host.processes().flatMap((pid) => {
    const facts = processFacts(pid)
    const { DARUMA_SLOT: slot, DARUMA_EPOCH: epoch } = environmentOf(pid)
    if (facts === null || slot === undefined || isKeeper(commandLine(pid))) return []
    return [{ parent: facts.parent, copy: { slot, epoch: Number(epoch), pid, startTicks: facts.startTicks } }]
  })
  const pids = new Set(found.map(({ copy }) => copy.pid))
  const copies = found.flatMap(({ parent, copy }): readonly Copy[] => (pids.has(parent) ? [] : [copy]))
  return copies.toSorted((a, b) => a.slot.localeCompare(b.slot) || a.pid - b.pid)
}

export interface Witness extends Disposable {
  /** The slots that were ever seen to live twice at once. */
  readonly doubled: ReadonlySet<string>
}

/** Looks until it is disposed of. */
export function watchForDoubles(host: LabHost): Witness {
  const doubled = new Set<string>()
  const timer = setInterval(() => {
    const slots = livingCopies(host).map(({ slot }) => slot)
    for (const slot of slots) if (slots.indexOf(slot) !== slots.lastIndexOf(slot)) doubled.add(slot)
  }, lookIntervalMs)
  return { doubled, [Symbol.dispose]: () => clearInterval(timer) }
}

/** Two copies that overlap for less than this may be missed; a look costs some milliseconds. */
const lookIntervalMs = 50

/** The keeper's shells, and `unshare` between them. An ended process has no words. */
const isKeeper = (words: readonly string[]): boolean =>
  words.length === 0 || words.some((word) => /\/host\/keeper-[0-9a-f]+\.sh$/.test(word))
