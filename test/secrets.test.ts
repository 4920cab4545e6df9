/** A secret's value leaves the daemon in no text: whatever a program or a probe says of it, everywhere where a person reads. */

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Machine } from './daemon-harness.ts'

const value = 'open sesame street 4711'

/** Says its secret to anything that asks: to the probe, in its log, and, for an exec probe, on standard output. */
const talker = `
import { createServer } from 'node:http'
console.log('my token is ' + process.env.TOKEN)
createServer((request, response) => {
  response.writeHead(500).end('no database for ' + process.env.TOKEN)
}).listen(process.env.PORT, '127.0.0.1')
`

const healths = {
  'an http probe quotes it': `{ http: '/healthz', interval: '200ms' }`,
  'an exec probe says it': `{ exec: ['sh', '-c', 'echo "denied: $TOKEN"; exit 1'], interval: '200ms' }`,
}

describe('A secret that', () => {
  for (const [what, health] of Object.entries(healths))
    test(`${what} is redacted in events, progress, failure, status, logs and what the command prints`, async () => {
      await using machine = new Machine({ environment: { TOKEN_OF_TEST: value } })
      const program = join(machine.workshop, 'talker.mjs')
      writeFileSync(program, talker)
      machine.writeConfigText(
        `import { secret } from 'daruma'
export default define({ name: 'test', services: { web: {
  command: ['node', ${JSON.stringify(program)}],
  environment: { PATH: ${JSON.stringify(process.env['PATH'])}, TOKEN: secret('TOKEN_OF_TEST') },
  health: ${health},
  update: { deadline: '4s' },
} } })`,
      )
      const outcome = await machine.run(['up', '--yes'])
      assert.notEqual(outcome.code, 0)
      const printed = outcome.stdout + outcome.stderr
      assert.match(printed, /\[redacted\]/, 'the reason is told')
      const texts: Record<string, string> = {
        'what up prints': printed,
        events: JSON.stringify(await machine.events()),
        status: JSON.stringify(await machine.status()),
        "the daemon's log": readFileSync(join(machine.state, 'daemon.log'), 'utf8'),
        'daruma events': (await machine.run(['events'])).stdout,
        'daruma events --json': (await machine.run(['events', '--json'])).stdout,
        'daruma status --json': (await machine.run(['status', '--json'])).stdout,
        'daruma history --json': (await machine.run(['history', '--json'])).stdout,
      }
      assert.match(texts['events'] ?? '', /rolling-back|operation-failed/)
      for (const [where, text] of Object.entries(texts)) assert.doesNotMatch(text, /sesame|4711/, `${where}: ${text}`)
    })
})
