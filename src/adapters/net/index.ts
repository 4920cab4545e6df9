/**
 * Ports and probes on the real network. The http probe speaks just enough HTTP/1.1 over a bare socket: fifty probes a second must cost
 * next to nothing, and a probe needs neither keep-alive nor redirects. A status from 200 to 399 is a success, as for Kubernetes.
 */

import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import type { Net, ProbeResult } from '../../ports/net.ts'

export const net: Net = {
  async isPortFree(port) {
    // Both families: a listener on :: does not take an address that somebody holds on 0.0.0.0 alone, and the other way round.
    return (await canListen(port, '0.0.0.0')) && (await canListen(port, '::'))
  },
  probe(check, port, timeoutMs) {
    return check.kind === 'tcp' ? probeTcp(port, timeoutMs) : probeHttp({ path: check.path, host: check.host ?? '127.0.0.1', port }, timeoutMs)
  },
}

function canListen(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL'))
    server.listen({ port, host, exclusive: true, ipv6Only: host === '::' }, () => server.close(() => resolve(true)))
  })
}

function probeTcp(port: number, timeoutMs: number): Promise<ProbeResult> {
  const target = `tcp 127.0.0.1:${port}`
  return ask(connect({ port, host: '127.0.0.1' }), timeoutMs, target, (socket, done) => {
    socket.once('connect', () => done({ ok: true, detail: `${target} → connected` }))
  })
}

/** More than a status line and the beginning of a body nobody reads. */
const maxAnswerBytes = 8192
const maxShownCharacters = 200

function probeHttp(target: { readonly path: string; readonly host: string; readonly port: number }, timeoutMs: number): Promise<ProbeResult> {
  // Through URL, so that no character of a path can end the request line or begin a header.
  const url = new URL(target.path, `http://${target.host}:${target.port}`)
  const shown = `GET http://${target.host}:${target.port}${url.pathname}${url.search}`
  return ask(connect({ port: target.port, host: target.host }), timeoutMs, shown, (socket, done) => {
    let text = ''
    const finish = (): void => done(judge(shown, text))
    socket.once('connect', () => {
      socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nUser-Agent: daruma-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n`)
    })
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      // A good status needs no body; a bad one is shown with the beginning of its body.
      if (text.length >= maxAnswerBytes || isGood(text)) finish()
    })
    socket.once('end', finish)
  })
}

const statusLine = /^HTTP\/1\.[01] (\d{3})/

function isGood(text: string): boolean {
  const status = Number(statusLine.exec(text)?.[1])
  return status >= 200 && status < 400
}

function judge(shown: string, text: string): ProbeResult {
  const status = statusLine.exec(text)?.[1]
  if (status === undefined) return { ok: false, detail: `${shown} → ${text === '' ? 'closed without an answer' : `no HTTP: ${JSON.stringify(text.slice(0, 40))}`}` }
  const cut = text.indexOf('\r\n\r\n')
  const body = cut < 0 ? '' : Buffer.from(text.slice(cut + 4), 'latin1').toString('utf8').slice(0, maxShownCharacters)
  const ok = isGood(text)
  return { ok, detail: ok || body === '' ? `${shown} → ${status}` : `${shown} → ${status} ${JSON.stringify(body)}` }
}

/** One question on one socket: answered once, ended whatever happens. */
function ask(socket: Socket, timeoutMs: number, shown: string, converse: (socket: Socket, done: (result: ProbeResult) => void) => void): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => done({ ok: false, detail: `${shown} → no answer within ${timeoutMs} ms` }), timeoutMs)
    const done = (result: ProbeResult): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(result)
    }
    socket.on('error', (error: NodeJS.ErrnoException) => done({ ok: false, detail: `${shown} → ${error.code ?? error.message}` }))
    converse(socket, done)
  })
}
