/**
 * The witness's judgement, apart from its sockets: who is alive in which slot, and what must never have happened. It is told of
 * copies twice over, by their own connections and by a sweep of /proc, and judges both by the same two rules: never two live
 * copies of one slot, and epochs of a slot only grow. A copy is called alive only after the kernel was asked again.
 */

import { isAlive, type ProcessId } from '../processes.ts'

export interface Copy {
  readonly slot: string
  readonly epoch: number
  readonly kind: string
  /** As this machine sees it, whatever namespace the copy lives in; null when it was gone before it could be looked up. */
  readonly process: ProcessId | null
  /** `connection`: it said so itself and its connection is open. `sweep`: it was seen in /proc. */
  readonly seenBy: 'connection' | 'sweep'
}

export interface Violation {
  readonly rule: 'never-two' | 'epochs-grow'
  readonly slot: string
  readonly message: string
}

export interface Entry {
  readonly at: number
  readonly what: 'arrived' | 'left' | 'violation'
  readonly copy: Copy | null
  readonly violation: Violation | null
}

export interface Ledger {
  /** Every rule is checked against those who are already there. Returns the function to call when the copy has left. */
  arrive(copy: Copy): () => void
  live(): readonly Copy[]
  violations(): readonly Violation[]
  history(): readonly Entry[]
  /** Takes back the violations of one slot: for the deliberately doubled copy, once it has been reported. */
  absolve(slot: string): readonly Violation[]
}

export function createLedger(onChange: () => void): Ledger {
  const present = new Set<Copy>()
  const highest = new Map<string, number>()
  const history: Entry[] = []
  let violations: Violation[] = []

  const accuse = (violation: Violation): void => {
    violations.push(violation)
    history.push({ at: Date.now(), what: 'violation', copy: null, violation })
  }

  return {
    arrive(copy) {
      for (const other of present) {
        if (other.slot !== copy.slot || isSameCopy(other, copy) || !maybeAlive(other)) continue
        accuse({ rule: 'never-two', slot: copy.slot, message: `${describe(copy)} arrived while ${describe(other)} was alive` })
      }
      const before = highest.get(copy.slot) ?? 0
      if (copy.epoch < before || (copy.seenBy === 'connection' && hasConnected(history, copy))) {
        accuse({ rule: 'epochs-grow', slot: copy.slot, message: `${describe(copy)} arrived after epoch ${before}` })
      }
      highest.set(copy.slot, Math.max(before, copy.epoch))
      present.add(copy)
      history.push({ at: Date.now(), what: 'arrived', copy, violation: null })
      onChange()
      return () => {
        if (!present.delete(copy)) return
        history.push({ at: Date.now(), what: 'left', copy, violation: null })
        onChange()
      }
    },
    live: () => [...present],
    violations: () => violations,
    history: () => history,
    absolve(slot) {
      const absolved = violations.filter((violation) => violation.slot === slot)
      violations = violations.filter((violation) => violation.slot !== slot)
      return absolved
    },
  }
}

/** Several processes of one instance (and both ways of seeing it) are one copy: the epoch tells. */
const isSameCopy = (one: Copy, other: Copy): boolean =>
  one.slot === other.slot && one.epoch === other.epoch && (one.seenBy === 'sweep' || other.seenBy === 'sweep')

/** A copy that could not be looked up is believed as long as its connection is open. */
const maybeAlive = (copy: Copy): boolean => copy.process === null || isAlive(copy.process)

/** A copy connects once in its life: two connections with one epoch are two starts under it. */
const hasConnected = (history: readonly Entry[], copy: Copy): boolean =>
  history.some(
    ({ what, copy: other }) =>
      what === 'arrived' && other?.seenBy === 'connection' && other.slot === copy.slot && other.epoch === copy.epoch,
  )

const describe = ({ slot, epoch, process, kind, seenBy }: Copy): string =>
  `${slot} epoch ${epoch} (pid ${process?.pid ?? 'unknown'}, ${kind}, by ${seenBy})`
