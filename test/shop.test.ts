/** examples/shop, as a reader would use it: from nothing, changed under load, its database killed, its backup restored. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { type Machine, root } from './daemon-harness.ts'
import { freePorts } from './free-ports.ts'
import { startLoad } from './load/load.ts'
import { until } from './processes.ts'
import { onMachine } from './scene.ts'
import { projectDirectory } from './slot-directory.ts'

const [psql] = globSync('/usr/lib/postgresql/*/bin/psql')
const skip = psql === undefined || process.getuid?.() !== 0 ? 'needs root and the Debian package postgresql' : false

/** The example in the machine's own folder, on ports that nobody else has. */
async function settle(
  machine: Machine,
  witnessPort: number,
): Promise<{ readonly folder: string; readonly database: number; readonly door: number }> {
  const folder = dirname(machine.config)
  cpSync(join(root, 'examples/shop'), folder, { recursive: true })
  rmSync(join(folder, '.password'), { force: true })
  const [database, door] = (await freePorts(2)) as readonly [number, number]
  edit(machine, (text) =>
    text
      .replace('25432', String(database))
      .replace('route: { port: 8088 }', `route: { port: ${door} }`)
      // By this the witness knows whom it watches.
      .replace('environment: { PGHOST', `environment: { WITNESS_PORT: ${witnessPort}, PGHOST`)
      .replace('secrets: database.secrets', `secrets: database.secrets, environment: { WITNESS_PORT: ${witnessPort} }`),
  )
  return { folder, database, door }
}

function edit(machine: Machine, change: (text: string) => string): void {
  const before = readFileSync(machine.config, 'utf8')
  const after = change(before)
  assert.notEqual(after, before, 'the example does not say any more what the test changes')
  writeFileSync(machine.config, after)
}

interface Page {
  readonly greeting: string
  readonly orders: number
  readonly packed: number
}

test(
  'examples/shop comes up with one command, changes under load with no failed request, survives its database, and its backup restores',
  { skip },
  () =>
    onMachine(async ({ machine, witness }) => {
      const { folder, database, door } = await settle(machine, witness.port)
      const page = async (): Promise<Page> => (await (await fetch(`http://127.0.0.1:${door}/`)).json()) as Page
      const order = async (what: string): Promise<number> => {
        const answer = await fetch(`http://127.0.0.1:${door}/orders`, { method: 'POST', body: what })
        assert.equal(answer.status, 201)
        return ((await answer.json()) as { readonly id: number }).id
      }
      const ask = (sql: string, name: string = 'postgres'): string => {
        const password = readFileSync(join(folder, '.password'), 'utf8').trim()
        const arguments_ = ['-h', '127.0.0.1', '-p', String(database), '-U', 'postgres', '-d', name, '-Atc', sql]
        const run = spawnSync(psql!, arguments_, { encoding: 'utf8', env: { ...process.env, PGPASSWORD: password } })
        assert.equal(run.status, 0, run.stderr)
        return run.stdout.trim()
      }

      await machine.up()
      await machine.waitUntilSettled(60_000)
      const { greeting, orders: none } = await page()
      assert.deepEqual([greeting, none], ['Seven falls, eight rises.', 0])
      const first = await order('a daruma')
      await until('it is packed', 10_000, () => ask(`select packed_by is not null from orders where id = ${first}`) === 't')

      // A reader's change: the greeting. Reads and orders come all the while, and none fails, nor is one made twice.
      await using reads = await startLoad({ port: door, rate: 60, seconds: 60, postShare: 0 })
      await using orders = await startLoad({ port: door, path: '/orders', rate: 20, seconds: 60, postShare: 1 })
      edit(machine, (text) => text.replace('Seven falls, eight rises.', 'Knocked over again.'))
      const changed = await machine.up()
      assert.match(changed.stdout, /start-first/)
      // However short the change was, those that came after it have gone through what it left.
      const during = Number(ask('select count(*) from orders'))
      await until('orders come after it too', 10_000, () => Number(ask('select count(*) from orders')) >= during + 20)
      const results = [await reads.stop(), await orders.stop()]
      for (const { failed, failures } of results) {
        assert.equal(failed, 0, JSON.stringify(failures.slice(0, 5)))
      }
      assert.equal((await page()).greeting, 'Knocked over again.')
      const made = Number(ask('select count(*) from orders'))
      assert.ok(during > 1, 'no order was made during the change')
      assert.equal(made, 1 + results[1]!.posts)

      // The database is killed; what was ordered is still there, and the web servers find it again by themselves.
      const { epoch } = await machine.instance('database/0')
      await witness.waitFor('the database', (live) => live.some((copy) => copy.epoch === epoch), 5000)
      await machine.kill('instance', 'database/0')
      await machine.waitFor(
        'a successor',
        ({ instances }) =>
          instances.some((each) => each.slot === 'database/0' && each.health === 'healthy' && (each.epoch ?? 0) > (epoch ?? 0)),
        30_000,
      )
      await until('the shop answers', 20_000, () =>
        page().then(
          ({ orders: count }) => count === made,
          () => false,
        ),
      )
      await until('everything is packed', 60_000, () => ask('select count(*) from orders where packed_at is null') === '0')

      const backup = await machine.run(['job', 'run', 'backup'])
      assert.equal(backup.code, 0, backup.stdout + backup.stderr)
      const backups = join(projectDirectory(machine.state, 'shop'), 'volumes/backups')
      const [dump] = await until('a dump is there', 30_000, () => {
        const found = readdirSync(backups).filter((name) => name.endsWith('.dump'))
        return found.length > 0 ? found : null
      })
      ask('create database restored')
      const restore = spawnSync(
        'pg_restore',
        ['-h', '127.0.0.1', '-p', String(database), '-U', 'postgres', '-d', 'restored', join(backups, dump!)],
        {
          encoding: 'utf8',
          env: { ...process.env, PGPASSWORD: readFileSync(join(folder, '.password'), 'utf8').trim() },
        },
      )
      assert.equal(restore.status, 0, restore.stderr)
      const contents = 'select count(*), min(what), bool_and(packed_at is not null) from orders'
      assert.equal(ask(contents, 'restored'), ask(contents))
      assert.match(ask(contents), new RegExp(`^${made}\\|`))

      assert.match((await machine.run(['up', '--yes'])).stdout, /no changes/)

      // The protected database first becomes one that may go. Nothing is under way, so nobody's time to drain is used.
      edit(machine, (text) => text.replace('protect: true', 'protect: false'))
      await machine.up()
      assert.equal((await machine.run(['down', '--yes'])).code, 0)
      const waited = (await machine.events()).filter(({ message }) => message.includes('the drain timed out'))
      assert.deepEqual(waited, [])
    }),
)
