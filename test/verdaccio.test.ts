/** A program from npm that nobody here wrote, configured as a reader of the README would: up, changed, rolled back. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
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
packages: { '**': { access: $all } }
log: { type: stdout, format: pretty, level: http }
`

test(
  'Verdaccio comes up, is changed, and a change that cannot work is rolled back with its own words as the reason',
  { timeout: 260_000 },
  (t) =>
    onMachine(async ({ machine }) => {
      const folder = dirname(machine.config)
      // Verdaccio asks for a tag of node-fetch that not every mirror of the registry knows.
      writeFileSync(join(folder, 'package.json'), '{ "private": true, "overrides": { "node-fetch": "2.7.0" } }')
      const npm = spawnSync(
        'npm',
        ['install', '--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts', 'verdaccio@6'],
        {
          cwd: folder,
          timeout: installLimitMs,
          encoding: 'utf8',
        },
      )
      if (npm.status !== 0 || !existsSync(join(folder, 'node_modules/.bin/verdaccio'))) {
        t.skip(`verdaccio could not be installed from npm: ${npm.stderr.slice(0, 300)}`)
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
    }),
)
