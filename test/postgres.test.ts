/** PostgreSQL, as everybody has it: two postmasters on one data directory are the classic double start. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fixtures, type Machine, type Services } from './daemon-harness.ts'
import { until } from './processes.ts'
import { epochsSeen, onMachine } from './scene.ts'

const [psql] = globSync('/usr/lib/postgresql/*/bin/psql')
const skip = psql === undefined || process.getuid?.() !== 0 ? 'needs root and the Debian package postgresql' : false

export const postgres = (environment: Record<string, string> = {}): Services => ({
  db: {
    command: [join(fixtures, 'postgres.sh')],
    directory: '/',
    singleton: true,
    user: 'postgres',
    volumes: ['data'],
    environment,
    stop: { signal: 'SIGINT', gracePeriod: '10s' },
    restart: { delay: '50ms', maxDelay: '500ms' },
    health: { tcp: true, interval: '100ms', startPeriod: '30s' },
  },
})

/** It opens its port before it has recovered: the probe by TCP knows nothing of that, so the one who asks waits. */
async function ask(machine: Machine, sql: string): Promise<string> {
  const { port } = await machine.instance('db/0')
  const words = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-Atc', sql]
  const run = await until('PostgreSQL has started up', 10_000, () => {
    const answer = spawnSync(psql ?? '', words, { encoding: 'utf8' })
    return answer.stderr.includes('starting up') ? null : answer
  })
  assert.equal(run.status, 0, run.stderr)
  return run.stdout.trim()
}

test('PostgreSQL as a singleton keeps its data through a change, a restart and kills, and never runs twice', { skip }, () =>
  onMachine(async ({ machine, witness }) => {
    await machine.up(postgres())
    await machine.waitUntilSettled()
    await ask(machine, "create table deeds (what text); insert into deeds values ('made')")
    assert.equal(await ask(machine, 'show max_connections'), '10')

    await witness.waitFor('the first', (live) => live.length === 1, 5000)
    const changed = await machine.up(postgres({ MAX_CONNECTIONS: '17' }))
    assert.match(changed.stdout, /stop-first/)
    await machine.waitUntilSettled()
    assert.equal(await ask(machine, 'show max_connections'), '17')

    const second = await machine.instance('db/0')
    await witness.waitFor('the second', (live) => live.some((copy) => copy.epoch === second.epoch), 5000)
    assert.equal((await machine.run(['restart', 'db', '--yes'])).code, 0)
    await machine.waitUntilSettled()
    for (const role of ['instance', 'keeper'] as const) {
      const { epoch } = await machine.instance('db/0')
      // PostgreSQL knows nothing of the witness, which finds it by a look every so often: it must have been there for one.
      await witness.waitFor('the one to be killed', (live) => live.some((copy) => copy.epoch === epoch), 5000)
      await machine.kill(role, 'db/0')
      await machine.waitFor('a successor', ({ instances }) =>
        instances.some((each) => each.slot === 'db/0' && each.health === 'healthy' && (each.epoch ?? 0) > (epoch ?? 0)),
      )
      await witness.waitFor('the successor', (live) => live.some((copy) => copy.epoch > (epoch ?? 0)), 5000)
    }
    assert.equal(await ask(machine, 'select what from deeds'), 'made')
    const epochs = await epochsSeen(witness, 'db/0')
    assert.ok(epochs.length >= 5, `the witness saw only the epochs ${epochs.join(' ')}`)
  }),
)
