/** `cpu`, `memory` and `pids`: the most that one instance gets; and `logs`, how much of its output is kept. */

import { cores, size, wholeNumber } from '../../values/amounts.ts'
import { type Group, group } from '../key.ts'

export interface Limits {
  readonly cpuCores: number | null
  readonly memoryBytes: number | null
  readonly pids: number | null
}

/** They stand beside the other keys of a service, without a name of their own. */
export const limits: Group<Limits> = group<Limits>('limits', {
  cpuCores: {
    key: 'cpu',
    type: cores,
    default: null,
    defaultWords: 'no limit',
    restarts: 'always',
    prose: 'The most CPU that one instance gets, in cores.',
    example: '0.5',
  },
  memoryBytes: {
    key: 'memory',
    type: size({ from: 1024 * 1024, to: 1024 ** 5 }),
    default: null,
    defaultWords: 'no limit',
    restarts: 'always',
    prose: 'The most memory that one instance gets; beyond it the kernel ends the instance.',
    example: "'256MiB'",
  },
  pids: {
    type: wholeNumber({ from: 1, to: 4_194_304 }),
    default: null,
    defaultWords: 'no limit',
    restarts: 'always',
    prose: 'The most processes and threads that one instance gets.',
    example: '100',
  },
})

export interface Logs {
  readonly maxBytes: number
}

export const logs: Group<Logs> = group<Logs>('logs', {
  maxBytes: {
    key: 'maxSize',
    type: size({ from: 64 * 1024, to: 1024 ** 4 }),
    default: 10 * 1024 * 1024,
    prose: "How much of each slot's output is kept; the oldest goes first.",
    example: "'100MiB'",
  },
})
