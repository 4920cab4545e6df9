/** A secret as a file, from the environment of `daruma up` to the program that reads it. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { Machine } from './daemon-harness.ts'
import { until } from './processes.ts'

test('a program reads its secret from a file, a new value replaces it, and nobody is shown either', async () => {
  await using machine = new Machine()
  machine.writeConfigText(`import { secret } from 'daruma'
export default define({ name: 'test', services: { web: {
  command: 'cp "$DARUMA_SECRET_DB_PASSWORD" seen; echo "got $(cat seen)"; echo "variable: \${DB_PASSWORD-none}"; exec sleep 100000',
  directory: ${JSON.stringify(machine.workshop)},
  singleton: true,
  environment: { DB_PASSWORD: secret('SHOP_PASSWORD', { as: 'file' }) },
} } })`)
  for (const value of ['correct horse', 'battery staple']) {
    const { code, stdout, stderr } = await machine.run(['up', '--yes'], { environment: { SHOP_PASSWORD: value } })
    assert.equal(code, 0, stderr)
    assert.equal(`${stdout}${stderr}`.includes(value), false)
    const seen = join(machine.workshop, 'seen')
    await until('it was read', 20_000, () => readFileSync(seen, 'utf8') === value)
  }
  const { stdout } = await until('it has said so', 20_000, async () => {
    const answer = await machine.run(['logs', '--hide-time'])
    return answer.stdout.split('variable: none').length === 3 && answer
  })
  // The keeper's shell may have a word to say of the first one's end.
  const own = stdout.split('\n').filter((line) => !line.endsWith('Terminated'))
  assert.equal(own.join('\n'), 'web/0 │ got [redacted]\nweb/0 │ variable: none\n'.repeat(2))
})
