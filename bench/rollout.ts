/**
 * What clients notice of a change: the failed requests of 10 rolling updates under open-loop load from a process of its own, each POST
 * executed exactly once by the upstreams' count, and what the updates add to the 99th percentile beside as long without a change, in the
 * same run. The upstreams are small programs without a compiler that warms up, because all of it shares one machine.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Machine } from '../test/daemon-harness.ts'
import { settle } from '../test/load/ledger.ts'
import { startLoad, type LoadResult } from '../test/load/load.ts'
import { reportOne, type Row } from './measure.ts'
import { freePort } from '../test/free-ports.ts'

interface Plan {
  readonly program: 'haproxy' | 'embedded'
  readonly rate: number
  readonly seconds: number
  readonly updates: number
}

const plans: readonly Plan[] = [
  { program: 'haproxy', rate: 2000, seconds: 60, updates: 10 },
  { program: 'embedded', rate: 1000, seconds: 20, updates: 4 },
]

export async function rollout(): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const plan of plans)
    if (plan.program === 'embedded' || existsSync('/usr/sbin/haproxy')) rows.push(...(await measure(plan)))
  return rows
}

async function measure(plan: Plan): Promise<readonly Row[]> {
  await using machine = new Machine()
  const port = await freePort()
  const ledger = join(machine.workshop, 'ledger')
  const up = async (version: number): Promise<void> => {
    writeConfig(machine, plan, { port, ledger, version })
    await machine.up()
  }
  await up(0)
  await using load = await startLoad({
    port,
    rate: plan.rate,
    seconds: plan.seconds * 4,
    postShare: 0.2,
    connections: 128,
    timeoutMs: 10_000,
  })
  // What is cold (compiled code, connections) is neither steady nor a change.
  await sleep(5000)
  load.mark('steady')
  await sleep(plan.seconds * 1000)
  load.mark('updates')
  const beganAt = performance.now()
  for (let version = 1; version <= plan.updates; version += 1) {
    await up(version)
    const dueMs = (plan.seconds * 1000 * version) / plan.updates
    await sleep(Math.max(0, dueMs - (performance.now() - beganAt)))
  }
  load.mark('after')
  return rowsOf(plan, await load.stop(), ledger)
}

function rowsOf({ program, seconds, updates }: Plan, result: LoadResult, ledger: string): readonly Row[] {
  const phase = (name: string): LoadResult['phases'][number] => {
    const found = result.phases.find((each) => each.name === name)
    if (found === undefined) throw new Error(`no phase ${name}`)
    return found
  }
  const [steady, changed] = [phase('steady'), phase('updates')]
  const { repeated, lost, doneButFailed } = settle(result, ledger)
  const what = (text: string): string => `${program}, ${updates} updates: ${text}`
  if (result.failed > 0) console.error(JSON.stringify([result.failuresByPhase, result.failures.slice(0, 10)]))
  return [
    reportOne(what('failed requests'), result.failed, 'requests', { target: 0, goal: 'at most' }),
    reportOne(what('POSTs executed twice, or not at all'), repeated.length + lost.length + doneButFailed, 'requests', {
      target: 0,
      goal: 'at most',
    }),
    reportOne(what('answered'), steady.latencyMs.count / seconds, 'requests/s', null),
    reportOne(what('p99 steady'), steady.latencyMs.p99, 'ms', null),
    reportOne(what('p99 with updates'), changed.latencyMs.p99, 'ms', null),
    reportOne(
      what('added p99'),
      changed.latencyMs.p99 - steady.latencyMs.p99,
      'ms',
      program === 'haproxy' ? { target: 3, goal: 'below' } : null,
    ),
    reportOne(what("the generator's own lag, p99"), result.lagMs.p99, 'ms', null),
  ]
}

function writeConfig(
  machine: Machine,
  { program }: Plan,
  { port, ledger, version }: { readonly port: number; readonly ledger: string; readonly version: number },
): void {
  const web = {
    command: ['perl', join(import.meta.dirname, 'counting-upstream.pl')],
    environment: { LEDGER: ledger, VERSION: String(version) },
    replicas: 3,
    health: { http: '/healthz', interval: '1s' },
    route: { port },
  }
  const project = { name: 'bench', balancer: { program, address: '127.0.0.1' }, services: { web } }
  machine.writeConfigText(`export default define(${JSON.stringify(project)})`)
}
