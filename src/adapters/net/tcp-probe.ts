/** Does anybody accept connections? It says nothing about whether he also answers. */

import { connect } from 'node:net'
import type { ProbeResult } from '../../ports/net.ts'
import { explainNetworkError, seconds } from './errors.ts'

export function probeTcp({ port, timeoutMs }: { readonly port: number; readonly timeoutMs: number }): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, autoSelectFamily: false })
    const settle = (ok: boolean, outcome: string): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ ok, detail: `TCP 127.0.0.1:${port} → ${outcome}` })
    }
    const timer = setTimeout(() => settle(false, `no connection within ${seconds(timeoutMs)}`), timeoutMs)
    socket.once('connect', () => settle(true, 'connected'))
    socket.once('error', (error) => settle(false, explainNetworkError(error)))
  })
}
