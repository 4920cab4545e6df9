/**
 * GET, and is the status 200 to 399? The verdict falls with the first bytes; what a server still sends is read and thrown away for
 * a moment, because closing at once would reset the connection and fill its log with errors that we made.
 */

import { connect } from 'node:net'
import type { ProbeResult } from '../../ports/net.ts'
import { explainNetworkError, seconds } from './errors.ts'
import { parseAnswer, readable } from './parse.ts'
import { renderRequest, renderUrl } from './render.ts'
import type { HttpTarget } from './render.ts'

/** Headers and the beginning of the body must fit; a probe's answer has some 200 bytes. */
const mostBytes = 16_384
/** So much more of an answer is read before the connection is cut. */
const politeBytes = 65_536

const nothing: Buffer = Buffer.alloc(0)
const shared: Buffer = Buffer.alloc(mostBytes)

/** Never rejects. The time limit is for the whole probe: name, connection, answer. */
export function probeHttp(target: HttpTarget & { readonly timeoutMs: number }): Promise<ProbeResult> {
  const { host, port, timeoutMs } = target
  return new Promise((resolve) => {
    let received: Buffer = nothing
    let bytes = 0
    let isSettled = false
    // One buffer for all probes: what a call of `read` does not copy is gone after it.
    const onread = { buffer: shared, callback: (count: number): boolean => read(shared.subarray(0, count)) }
    const socket = connect({ host, port, autoSelectFamily: host !== '127.0.0.1', onread })

    const settle = (ok: boolean, outcome: string): void => {
      if (isSettled) return
      isSettled = true
      resolve({ ok, detail: `GET ${renderUrl(target)} → ${outcome}` })
    }
    const cut = (): void => {
      clearTimeout(timer)
      socket.destroy()
    }
    const judge = (status: number, body: string): void => {
      const ok = isSuccess(status)
      settle(ok, ok || body === '' ? String(status) : `${status} ${JSON.stringify(body)}`)
    }
    /** When nothing more will come. */
    const conclude = (otherwise: string): void => {
      const answer = parseAnswer(received)
      if (answer.kind === 'not-http' || answer.status === null) settle(false, otherwise)
      else judge(answer.status, answer.body)
      cut()
    }
    const read = (chunk: Buffer): boolean => {
      bytes += chunk.length
      if (isSettled) {
        if (bytes > politeBytes) cut()
        return true
      }
      const known = received === nothing ? chunk : Buffer.concat([received, chunk])
      const answer = parseAnswer(known)
      if (answer.kind === 'complete') {
        judge(answer.status, answer.body)
        cut()
      } else if (answer.kind === 'not-http') {
        settle(false, `answered something that is not HTTP: ${JSON.stringify(readable(known.toString('latin1', 0, 80)))}`)
        cut()
      } else if (answer.status !== null && isSuccess(answer.status)) {
        judge(answer.status, answer.body)
      } else {
        received = known === chunk ? Buffer.from(chunk) : known
        if (received.length > mostBytes) conclude(`the answer's headers are longer than ${mostBytes / 1024} KiB`)
      }
      return true
    }

    const timer = setTimeout(() => conclude(`no answer within ${seconds(timeoutMs)}`), timeoutMs)
    socket.write(renderRequest(target), 'latin1')
    socket.once('error', (error) => conclude(explainNetworkError(error)))
    socket.once('end', () =>
      conclude(`the connection was closed ${received === nothing ? 'without an answer' : 'in the middle of the answer'}`),
    )
  })
}

const isSuccess = (status: number): boolean => status >= 200 && status < 400
