/**
 * What runs while faults are inflicted. Half of the rounds have a program that makes "never twice" hard: PostgreSQL, or one that
 * double-forks and closes every descriptor. Names carry the round, so that one witness can watch many rounds.
 */

import { globSync } from 'node:fs'
import { join } from 'node:path'
import { fixtures, reporter, type Services } from '../daemon-harness.ts'

export type WorkloadKind = 'reporters' | 'postgres' | 'double-fork'

export interface Workload {
  readonly kind: WorkloadKind
  /** The singleton that faults aim at first. */
  readonly target: string
  /** A service's name in this round. */
  name(service: string): string
  /** `value` changes the environment, and so makes another revision that replaces every process. */
  services(value: string): Services
}

const hasPostgres = globSync('/usr/lib/postgresql/*/bin/postgres').length > 0 && process.getuid?.() === 0

export function workloadOf(round: number): Workload {
  const kind: WorkloadKind = round % 2 === 0 ? 'reporters' : round % 4 === 1 && hasPostgres ? 'postgres' : 'double-fork'
  const name = (service: string): string => `r${round}-${service}`
  const quick = { restart: { delay: '20ms', maxDelay: '200ms' }, stop: { gracePeriod: '2s' }, update: { minReady: '100ms' } }
  const worker = (value: string): Services => ({
    [name('worker')]: { ...reporter(), ...quick, environment: { MODE: 'healthy', VALUE: value }, singleton: true },
  })
  switch (kind) {
    case 'reporters':
      return {
        kind,
        name,
        target: `${name('worker')}/0`,
        services: (value) => ({
          ...worker(value),
          [name('web')]: {
            ...reporter(),
            ...quick,
            environment: { MODE: 'healthy', VALUE: value },
            replicas: 2,
            health: { http: '/healthz', interval: '100ms' },
          },
        }),
      }
    case 'postgres':
      return {
        kind,
        name,
        target: `${name('db')}/0`,
        services: (value) => ({
          [name('db')]: {
            ...quick,
            command: [join(fixtures, 'postgres.sh')],
            directory: '/',
            singleton: true,
            user: 'postgres',
            volumes: ['data'],
            environment: { VALUE: value },
            stop: { signal: 'SIGINT', gracePeriod: '5s' },
            health: { tcp: true, interval: '100ms', startPeriod: '30s' },
          },
        }),
      }
    case 'double-fork':
      return {
        kind,
        name,
        target: `${name('forker')}/0`,
        services: (value) => ({
          [name('forker')]: {
            ...quick,
            command: [join(fixtures, 'double-fork.sh'), 'stay'],
            environment: { MODE: 'stubborn', VALUE: value },
            singleton: true,
          },
          ...worker(value),
        }),
      }
  }
}
