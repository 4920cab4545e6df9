/**
 * Requests at a fixed pace over kept connections, whatever becomes of those before; nothing is sent twice. A fifth are POSTs, and
 * every tenth takes the upstream a while. Each has a name of its own, so that whoever counts executions can tell once from twice.
 */

import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Load {
  /** How many were sent until now. */
  sent(): number
  /** Stops sending, and waits for what is under way. */
  end(): Promise<LoadResult>
}

export interface LoadResult {
  readonly sent: readonly string[]
  readonly failures: readonly Failure[]
}

export interface Failure {
  readonly id: string
  readonly method: string
  readonly because: string
}

let loads = 0

export function startLoad(options: {
  readonly port: number
  readonly perSecond: number
  readonly connections: number
  readonly slowMs?: number
}): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections, maxFreeSockets: options.connections })
  const name = `load-${(loads += 1)}`
  const sent: string[] = []
  const failures: Failure[] = []
  const open = new Set<Promise<void>>()
  let isRunning = true

  const send = (number: number): void => {
    const id = `${name}-${number}`
    const method = number % 5 === 0 ? 'POST' : 'GET'
    const path = number % 10 === 3 ? `/?ms=${options.slowMs ?? 100}` : '/'
    sent.push(id)
    const done = once({ port: options.port, agent, method, path, id }).then((because) => {
      if (because !== null) failures.push({ id, method, because })
    })
    open.add(done)
    void done.finally(() => open.delete(done))
  }

  const loop = (async () => {
    const start = performance.now()
    for (let number = 0; isRunning;) {
      const due = ((performance.now() - start) / 1000) * options.perSecond
      for (; number < due; number += 1) send(number)
      await sleep(2)
    }
  })()

  return {
    sent: () => sent.length,
    async end() {
      isRunning = false
      await loop
      await Promise.all(open)
      agent.destroy()
      return { sent, failures }
    },
  }
}

/** Null when it was answered with 200, whole. */
function once(options: {
  readonly port: number
  readonly agent: Agent
  readonly method: string
  readonly path: string
  readonly id: string
}): Promise<string | null> {
  return new Promise((resolve) => {
    const { port, agent, method, path, id } = options
    const headers = { 'x-request-id': id, ...(method === 'POST' ? { 'content-type': 'text/plain' } : {}) }
    const sending = request({ host: '127.0.0.1', port, agent, method, path, headers, timeout: 20_000 }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode === 200 ? null : `status ${response.statusCode}`))
      response.on('error', (error) => resolve(error.message))
    })
    sending.on('timeout', () => sending.destroy(new Error('no answer in 20 s')))
    sending.on('error', (error) => resolve(error.message))
    sending.end(method === 'POST' ? id : undefined)
  })
}
