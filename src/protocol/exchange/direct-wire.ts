/** The exchange of two halves in one process: a message is a call, which arrives before `send` returns. */

import type { Link } from '../../ports/exchange.ts'

export interface Wire<Down, Up> {
  readonly server: Link<Down, Up>
  readonly agent: Link<Up, Down>
}

export function directWire<Down, Up>(): Wire<Down, Up> {
  let toServer: (message: Up) => void = () => {}
  let toAgent: (message: Down) => void = () => {}
  return {
    server: { send: (message) => toAgent(message), receive: (take) => void (toServer = take) },
    agent: { send: (message) => toServer(message), receive: (take) => void (toAgent = take) },
  }
}
