/**
 * Sends a notice by POST, on a connection of its own. The time-out is for all of it: name, connection, answer. The answer's beginning is read,
 * because that is where a service says why it did not take a notice.
 */

import type { ClientRequest, IncomingMessage } from 'node:http'

import type { DeliveryAnswer, WebhookDelivery, Webhooks } from '../../ports/notices/deliver.ts'
import { request as requestHttp } from '../../system/node-http.ts'

/** Of the answer's body; the rest is cut off. */
const mostBytes = 4096
const longestShown = 200

export function createWebhooks({ version }: { readonly version: string }): Webhooks {
  return {
    post: (delivery) => post(delivery, version).catch((error: unknown) => notTaken(explain(error))),
  }
}

async function post({ url, headers, body, timeoutMs }: WebhookDelivery, version: string): Promise<DeliveryAnswer> {
  const address = new URL(url)
  const own = {
    'user-agent': `daruma/${version}`,
    ...headers,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  }
  const request = address.protocol === 'https:' ? (await import('node:https')).request : requestHttp
  return new Promise((resolve, reject) => {
    const outgoing: ClientRequest = request(address, { method: 'POST', headers: own, agent: false })
    let answer = (): DeliveryAnswer => notTaken(`no answer within ${timeoutMs / 1000} s`)
    let isAnswered = false
    const timer = setTimeout(() => settle(answer()), timeoutMs)
    const settle = (settled: DeliveryAnswer): void => {
      clearTimeout(timer)
      outgoing.destroy()
      resolve(settled)
    }
    outgoing.once('response', (response) => {
      // The status is the verdict, also where the body never comes to its end.
      isAnswered = true
      answer = () => judge(response, '')
      readBeginning(response, (text) => settle(judge(response, text)))
    })
    // Stays: a destroyed request may fail once more. After a status the response is closed too, and settles with what came of the body.
    outgoing.on('error', (error) => {
      if (isAnswered) return
      clearTimeout(timer)
      reject(error)
    })
    outgoing.end(body)
  })
}

/** A body that breaks off does not take back the status. */
function readBeginning(response: IncomingMessage, done: (text: string) => void): void {
  const chunks: Buffer[] = []
  let bytes = 0
  const finish = (): void => done(Buffer.concat(chunks).toString('utf8', 0, mostBytes))
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes >= mostBytes) finish()
  })
  response.on('error', finish)
  response.on('close', finish)
}

function judge({ statusCode = 0 }: IncomingMessage, text: string): DeliveryAnswer {
  const isTaken = statusCode >= 200 && statusCode < 300
  const shown = text.replaceAll(/\s+/g, ' ').trim()
  const said = shown === '' ? '' : ` ${JSON.stringify(shown.slice(0, longestShown))}`
  if (statusCode >= 300 && statusCode < 400)
    return notTaken(`${statusCode}: redirects are not followed; write the address that it leads to`)
  return { isTaken, message: `${statusCode}${said}` }
}

const notTaken = (message: string): DeliveryAnswer => ({ isTaken: false, message })

/** Node's messages name headers and addresses, never the value of a header. */
function explain(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED') return 'nothing listens there (connection refused)'
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'the connection was closed without an answer'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'its name cannot be resolved'
  if (code === 'ERR_INVALID_URL') return 'the address is not a URL'
  if (code === 'ERR_INVALID_CHAR') return 'the value of a header has a character that no header may have'
  return code === undefined || message.includes(code) ? message : `${code}: ${message}`
}
