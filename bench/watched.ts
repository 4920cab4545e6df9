/**
 * A daemon that has everything to do at once: 50 instances, a route, the page open in one browser, and something that collects its
 * metrics every second. A stand-in asks what the page asks, as often: the browser's own memory is not the question.
 */

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { PageAnswer } from '../src/protocol/api.ts'
import { Machine } from '../test/daemon-harness.ts'
import { freePorts } from '../test/free-ports.ts'
import { memoryOf, type Memory } from './measure.ts'

const webReplicas = 3
const everyMs = 1000

export async function memoryWhileWatched(options: { readonly count: number; readonly windowMs: number }): Promise<Memory> {
  const { count, windowMs } = options
  const [port] = await freePorts(1)
  await using machine = new Machine()
  await machine.up({
    idle: { command: ['sleep', '1000000'], replicas: count - webReplicas, port: false },
    web: {
      command: ['perl', join(import.meta.dirname, 'counting-upstream.pl')],
      environment: { LEDGER: join(machine.workshop, 'ledger'), VERSION: '1' },
      replicas: webReplicas,
      health: { http: '/healthz', interval: '1s' },
      route: { port },
    },
  })
  const { stdout } = await machine.run(['ui', '--json'])
  const { url } = JSON.parse(stdout) as PageAnswer
  for (const end = performance.now() + windowMs; performance.now() < end; await sleep(everyMs)) await look(url)
  return memoryOf(machine.find('daemon'))
}

async function look(url: string): Promise<void> {
  const page = new URL(url)
  const headers = { authorization: `Bearer ${new URLSearchParams(page.hash.slice(1)).get('token')}` }
  for (const path of ['/v1/overview', '/v1/series', '/v1/events?since=0&limit=100', '/metrics']) {
    const answer = await fetch(new URL(path, page), { headers })
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
    await answer.text()
  }
}
