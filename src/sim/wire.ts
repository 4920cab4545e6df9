/**
 * A wire between server and agent that loses, repeats, delays and reorders what it carries. Each message is a copy: an end that changed what
 * it has sent, or what it was given, would be found out by the other's picture.
 */

import type { Link } from '../ports/exchange.ts'
import type { Clock } from '../ports/clock.ts'
import { directWire } from '../protocol/exchange/direct-wire.ts'
import type { Wire } from '../protocol/exchange/direct-wire.ts'
import type { SeededRandom } from './random.ts'

export interface WireFaults {
  /** Of all messages: probabilities. */
  lossRate: number
  repeatRate: number
  /** Of those that are late at all. */
  lateRate: number
  mostDelayMs: number
}

export const usualWireFaults: Readonly<WireFaults> = { lossRate: 0.05, repeatRate: 0.05, lateRate: 0.2, mostDelayMs: 50 }

/** Without faults, each message arrives at once. */
export const wireWith = <Down, Up>(faults: Readonly<WireFaults> | null, clock: Clock, random: SeededRandom): Wire<Down, Up> =>
  faults === null ? directWire() : faultyWire(clock, random, faults)

export function faultyWire<Down, Up>(
  clock: Clock,
  random: SeededRandom,
  faults: Readonly<WireFaults> = { lossRate: 0.3, repeatRate: 0.2, lateRate: 0.5, mostDelayMs: 3000 },
): Wire<Down, Up> {
  let toServer: (message: Up) => void = () => {}
  let toAgent: (message: Down) => void = () => {}
  const carry = <Message>(message: Message, deliver: (message: Message) => void): void => {
    const copies = random.chance(faults.repeatRate) ? 2 : 1
    for (let copy = 0; copy < copies; copy += 1) {
      if (random.chance(faults.lossRate)) continue
      const delayMs = random.chance(faults.lateRate) ? random.below(faults.mostDelayMs) : 0
      const copied = structuredClone(message)
      clock.after(delayMs, () => deliver(copied))
    }
  }
  const link = <Out, In>(deliver: (message: Out) => void, receive: (take: (message: In) => void) => void): Link<Out, In> => ({
    send: (message) => carry(message, deliver),
    receive,
  })
  return {
    server: link<Down, Up>(
      (message) => toAgent(message),
      (take) => void (toServer = take),
    ),
    agent: link<Up, Down>(
      (message) => toServer(message),
      (take) => void (toAgent = take),
    ),
  }
}
