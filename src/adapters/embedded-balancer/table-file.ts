/** The last table that the daemon wrote, with which a process begins. */

import { readFileSync } from 'node:fs'
import type { RoutingTable } from '../../core/balance/table.ts'
import { tableFile } from './files.ts'

export const emptyTable: RoutingTable = {
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

/** The empty one where there is none that can be read, which `tell` hears. */
export function readTable(directory: string, report: (text: string) => void): RoutingTable {
  try {
    return JSON.parse(readFileSync(tableFile(directory), 'utf8')) as RoutingTable
  } catch (error) {
    report(`no table to begin with: ${(error as Error).message}`)
    return emptyTable
  }
}
