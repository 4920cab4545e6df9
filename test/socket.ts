/** Asks a daemon on its unix socket directly: a poll that starts a Node for each look would be the load it measures. */

import { request } from 'node:http'
import { join } from 'node:path'
import { hangLimit } from './hang-limit.ts'

const answerLimitMs = hangLimit(5000)

/** Null where no daemon listens, or it does not answer in time (it may be stopped). Other answers than 2xx are thrown. */
export async function askDaemon<Answer>(state: string, path: string, body?: unknown): Promise<Answer | null> {
  const text = await ask(state, path, body)
  return text === null ? null : (JSON.parse(text) as Answer)
}

export async function askDaemonLines(state: string, path: string): Promise<readonly unknown[]> {
  const text = (await ask(state, path)) ?? ''
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown)
}

function ask(state: string, path: string, body?: unknown): Promise<string | null> {
  const method = body === undefined ? 'GET' : 'POST'
  return new Promise((resolve, reject) => {
    const call = request(
      { socketPath: join(state, 'daemon.sock'), path, method, timeout: answerLimitMs, agent: false },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => (text += part))
        response.on('error', () => resolve(null))
        response.on('end', () => {
          if (response.statusCode !== undefined && response.statusCode < 300) resolve(text)
          else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`))
        })
      },
    )
    call.on('timeout', () => call.destroy())
    call.on('error', () => resolve(null))
    if (body !== undefined) call.setHeader('content-type', 'application/json')
    call.end(body === undefined ? undefined : JSON.stringify(body))
  })
}
