/**
 * A program from npm that nobody here wrote, configured as a reader of the README would: up, changed, rolled back; and behind the balancer,
 * changed in every way while clients ask for a package.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { hangLimit } from './hang-limit.ts'
import { cleanUp, makeWorkshop } from './clean-up.ts'
import type { Machine } from './daemon-harness.ts'
import { freePorts } from './free-ports.ts'
import { startLoad } from './load/load.ts'
import { onMachine } from './scene.ts'
import { isRoot } from './support/runtime-bed.ts'

const installLimitMs = 150_000

const config = (title: string, deadline: string): string => `
export default define({
  name: 'registry',
  services: {
    verdaccio: {
      // Verdaccio needs Node 22; what \`node\` means on a fresh Debian is older.
      command: '${process.execPath} node_modules/.bin/verdaccio --listen 127.0.0.1:$PORT --config verdaccio.yaml',
      singleton: true,
      volumes: ['packages'],
      environment: { TITLE: ${JSON.stringify(title)} },
      health: { http: '/-/ping', interval: '200ms', startPeriod: ${JSON.stringify(deadline)} },
      update: { deadline: ${JSON.stringify(deadline)} },
      ${isRoot ? "memory: '512MiB'," : ''}
    },
  },
})`

const settings = (title: string): string => `
storage: ./storage
web: { title: ${title} }
auth: { htpasswd: { file: ./htpasswd } }
packages: { '**': { access: $all, publish: $all } }
log: { type: stdout, format: pretty, level: http }
`

const home = makeWorkshop()
after(() => cleanUp(home, home))
let installed: string | null | undefined

/** Installs it once for both tests, and gives it to the machine; says why when that is not possible. */
function bring(machine: Machine): string | null {
  installed ??= install()
  const folder = dirname(machine.config)
  if (installed === '') symlinkSync(join(home, 'node_modules'), join(folder, 'node_modules'))
  return installed === '' ? null : `verdaccio could not be installed from npm: ${installed}`
}

function install(): string {
  // Verdaccio asks for a tag of node-fetch that not every mirror of the registry knows.
  writeFileSync(join(home, 'package.json'), '{ "private": true, "overrides": { "node-fetch": "2.7.0" } }')
  const flags = ['--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts']
  const npm = spawnSync('npm', ['install', ...flags, 'verdaccio@6'], { cwd: home, timeout: installLimitMs, encoding: 'utf8' })
  const isThere = npm.status === 0 && existsSync(join(home, 'node_modules/.bin/verdaccio'))
  return isThere ? '' : `${npm.stderr.slice(0, 300)} (${npm.status})`
}

test('Verdaccio comes up, is changed, and a change that cannot work is rolled back with its own words as the reason', (t) =>
  onMachine(async ({ machine }) => {
    const folder = dirname(machine.config)
    const missing = bring(machine)
    if (missing !== null) {
      t.skip(missing)
      return
    }
    const ping = async (): Promise<number> => {
      const { port } = await machine.instance('verdaccio/0')
      return (await fetch(`http://127.0.0.1:${port}/-/ping`)).status
    }

    writeFileSync(join(folder, 'verdaccio.yaml'), settings('First'))
    machine.writeConfigText(config('First', '60s'))
    const first = await machine.run(['up', '--yes'])
    assert.equal(first.code, 0, first.stdout + first.stderr)
    assert.equal(await ping(), 200)

    machine.writeConfigText(config('Second', '60s'))
    const second = await machine.run(['up', '--yes'])
    assert.equal(second.code, 0, second.stdout + second.stderr)
    assert.match(second.stdout, /environment\.TITLE: "First" → "Second"/)
    assert.equal(await ping(), 200)
    const { epoch } = await machine.instance('verdaccio/0')

    machine.writeConfigText(config('Second', '20s').replace('verdaccio.yaml', 'missing.yaml'))
    const failed = await machine.run(['up', '--yes'])
    const said = failed.stdout + failed.stderr
    assert.equal(failed.code, 1, said)
    assert.match(said, /missing\.yaml/)
    await machine.waitUntilSettled()
    assert.equal(await ping(), 200)
    assert.ok(((await machine.instance('verdaccio/0')).epoch ?? 0) > (epoch ?? 0))

    const back = await machine.run(['rollback', '1', '--yes'])
    assert.equal(back.code, 0, back.stdout + back.stderr)
    await machine.waitUntilSettled()
    assert.equal(await ping(), 200)
  }))

const behindBalancer = (title: string, replicas: number, port: number): string => `
export default define({
  name: 'registry',
  balancer: { address: '127.0.0.1' },
  services: {
    verdaccio: {
      command: '${process.execPath} node_modules/.bin/verdaccio --listen 127.0.0.1:$PORT --config verdaccio.yaml',
      replicas: ${replicas},
      route: { port: ${port} },
      environment: { VERDACCIO_PUBLIC_URL: 'http://127.0.0.1:${port}', TITLE: ${JSON.stringify(title)} },
      health: { http: '/-/ping', interval: '200ms', startPeriod: '60s' },
      update: { deadline: '60s' },
    },
  },
})`

test('Verdaccio behind the balancer is updated, restarted, scaled and rolled back under load, and no request for a package fails', (t) =>
  onMachine(async ({ machine }) => {
    const folder = dirname(machine.config)
    const missing = bring(machine)
    if (missing !== null) {
      t.skip(missing)
      return
    }
    writeFileSync(join(folder, 'verdaccio.yaml'), `${settings('Ours')}publish: { allow_offline: true }\n`)
    const [port] = await freePorts(1)
    const apply = async (title: string, replicas: number): Promise<void> => {
      machine.writeConfigText(behindBalancer(title, replicas, port!))
      const { code, stdout, stderr } = await machine.run(['up', '--yes'], { limitMs: 120_000 })
      assert.equal(code, 0, stdout + stderr)
    }
    await apply('First', 2)
    const registry = `http://127.0.0.1:${port}`
    mkdirSync(join(folder, 'package'))
    writeFileSync(join(folder, 'package/package.json'), '{ "name": "hello-daruma", "version": "1.0.0" }')
    const publish = spawnSync('npm', ['publish', '--registry', registry, `--//127.0.0.1:${port}/:_authToken=nobody`], {
      cwd: join(folder, 'package'),
      timeout: hangLimit(60_000),
      encoding: 'utf8',
    })
    assert.equal(publish.status, 0, publish.stderr)

    const rate = 40
    await using load = await startLoad({ port: port!, path: '/hello-daruma', rate, seconds: 240, postShare: 0 })
    const before = await epochs(machine)
    await apply('Second', 2)
    const changed = await epochs(machine)
    assert.ok(
      changed.every((epoch) => !before.includes(epoch)),
      `${changed.join(' ')} after ${before.join(' ')}`,
    )
    for (const words of [
      ['restart', 'verdaccio'],
      ['scale', 'verdaccio=3'],
      ['rollback', '1'],
    ]) {
      const { code, stdout, stderr } = await machine.run([...words, '--yes'], { limitMs: 120_000 })
      assert.equal(code, 0, stdout + stderr)
      await machine.waitUntilSettled(60_000)
    }
    const { sent, failed, failures, answered } = await load.stop()
    assert.ok(sent > rate, `only ${sent} requests were sent`)
    assert.deepEqual({ failed, failures: failures.slice(0, 5), answered }, { failed: 0, failures: [], answered: sent })
    const version = await fetch(`${registry}/hello-daruma/latest`)
    assert.equal(((await version.json()) as { readonly version: string }).version, '1.0.0')
  }))

async function epochs(machine: Machine): Promise<readonly (number | null)[]> {
  const status = await machine.status()
  return (status?.instances ?? []).filter(({ service }) => service === 'verdaccio').map(({ epoch }) => epoch)
}
