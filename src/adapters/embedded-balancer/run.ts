/**
 * The process, from its start to its end (its entry is `main/balancer.ts`). It serves the last table that was written there at once, before anybody speaks to it, and
 * then what comes over the control socket. An exception in one request is told and survived: it is not worth everybody else's connections.
 */

import { readFileSync } from 'node:fs'
import type { RoutingTable } from '../../core/balance/table.ts'
import { Balancing } from './balancing.ts'
import { tableFile } from './files.ts'
import { serveControl } from './control.ts'

/** After SIGTERM what is under way may take so long; the daemon has a patience of its own. */
const endMs = 8000
/** Told in full so often; then only counted, so that a log cannot be filled by whoever found a way. */
const toldExceptions = 100

const nothing: RoutingTable = {
  settings: {
    address: '127.0.0.1',
    accessLog: false,
    limits: {
      connections: 0,
      headerBytes: 16_384,
      bodyBytes: null,
      headerTimeoutMs: 10_000,
      idleTimeoutMs: 60_000,
      tunnelTimeoutMs: 60_000,
    },
  },
  listeners: [],
  pools: [],
  certificates: [],
  challenges: {},
}

/** Resolves when it was asked to end and has finished what it had. */
export async function runBalancer(directory: string): Promise<void> {
  process.umask(0o077)
  surviveExceptions()
  const table = readTable(directory)
  const balancing = new Balancing(table, (text) => void process.stdout.write(text))
  const { ports, certificates } = await balancing.apply(table)
  for (const { port, code } of ports) tell(`port ${port} cannot be had (${code}); trying again every second`)
  for (const problem of certificates) tell(`certificate not used: ${problem}`)
  const control = await serveControl(directory, balancing)
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
  control.close()
  await balancing.end(endMs)
}

function surviveExceptions(): void {
  let exceptions = 0
  const survive = (error: unknown): void => {
    exceptions += 1
    if (exceptions <= toldExceptions) tell(`survived: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  }
  process.on('uncaughtException', survive)
  process.on('unhandledRejection', survive)
}

function readTable(directory: string): RoutingTable {
  try {
    return JSON.parse(readFileSync(tableFile(directory), 'utf8')) as RoutingTable
  } catch (error) {
    tell(`no table to begin with: ${(error as Error).message}`)
    return nothing
  }
}

function tell(text: string): void {
  process.stderr.write(`${new Date().toISOString()} balancer: ${text}\n`)
}
