/** Does anybody accept connections? It says nothing about whether he also answers. */

import { connect } from 'node:net'
import type { ProbeResult } from '../../ports/net.ts'
import { explainNetworkError, seconds } from './errors.ts'

export interface TcpTarget {
  readonly port: number
  readonly timeoutMs: number
  readonly isBehindProxy: boolean
}

/** A container engine's proxy takes the connection first and only then looks for the program; where there is none it hangs up at once. */
const lingerLimitMs = 200

export function probeTcp({ port, timeoutMs, isBehindProxy }: TcpTarget): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, autoSelectFamily: false })
    const settle = (ok: boolean, outcome: string): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ ok, detail: `TCP 127.0.0.1:${port} → ${outcome}` })
    }
    const timer = setTimeout(() => settle(false, `no connection within ${seconds(timeoutMs)}`), timeoutMs)
    socket.once('connect', () => {
      if (!isBehindProxy) return settle(true, 'connected')
      const hangUp = (): void => settle(false, 'connected to the proxy, but nothing listens behind it')
      socket.once('end', hangUp).once('close', hangUp)
      socket.once('data', () => settle(true, 'connected'))
      setTimeout(() => settle(true, 'connected'), Math.min(lingerLimitMs, timeoutMs / 2))
    })
    socket.once('error', (error) => settle(false, explainNetworkError(error)))
  })
}
