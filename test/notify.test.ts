/** Notices of a real daemon: to a real server on loopback that refuses, hangs up and dies under it, and to real commands that misbehave. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'

import type { Notice } from '../src/core/notices/notice.ts'
import type { NoticeTestAnswer } from '../src/protocol/notices.ts'
import { Machine } from './daemon-harness.ts'
import { hangLimit } from './hang-limit.ts'
import { allPids, commandLine, isAlive, until } from './processes.ts'

const token = 'a token that no one may see 4711'

interface Received {
  readonly authorization: string | undefined
  readonly id: string | undefined
  readonly notice: Notice
}

class FarEnd implements AsyncDisposable {
  readonly received: Received[] = []
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) =>
    void response.writeHead(204).end()
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { authorization, 'daruma-notice-id': id } = request.headers
      const notice = JSON.parse(Buffer.concat(chunks).toString()) as Notice
      this.received.push({ authorization, id: id as string | undefined, notice })
      this.answer(request, response)
    })
  })

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

const limitMs = 120_000

describe('notify by webhook', { timeout: hangLimit(600_000) }, () => {
  it('tells of a crash loop until it is taken, under one id over the deaths of daemons, and shows no secret', async () => {
    await using far = new FarEnd()
    const url = await far.listen()
    await using machine = new Machine({ environment: { TOKEN_OF_TEST: token } })
    const fall = join(machine.workshop, 'fall')
    machine.writeConfigText(`import { secret } from 'daruma'
export default define({ name: 'test',
  notify: { webhook: ${JSON.stringify(url)}, headers: { Authorization: secret('TOKEN_OF_TEST') } },
  services: { web: {
    command: ${JSON.stringify(`while [ ! -e ${fall} ]; do sleep 0.1; done; echo "$TOKEN"; exit 3`)},
    environment: { TOKEN: secret('TOKEN_OF_TEST') },
    restart: { delay: '50ms', maxDelay: '200ms' },
  } } })`)
    await machine.up()
    const answers: FarEnd['answer'][] = [
      (_request, response) => void response.writeHead(500).end(`no: ${token}`),
      (request) => void request.socket.destroy(),
      // The daemon dies while it waits for the answer.
      () => undefined,
    ]
    far.answer = (request, response) => {
      const next = answers.shift()
      if (next === undefined) response.writeHead(204).end()
      else next(request, response)
    }
    writeFileSync(fall, '')
    await until('two attempts have failed, and the third waits', limitMs, () => far.received.length === 3)
    const { stdout } = await machine.run(['status'])
    assert.match(stdout, /! notify: webhook http:\/\/127\.0\.0\.1:\d+: the connection was closed without an answer \(2 attempts/)
    await machine.kill('daemon')
    await until('the next daemon tells it', limitMs, () => far.received.length === 4)
    const [first] = far.received
    assert.deepEqual(
      first?.notice.troubles.map(({ topic, service, state, cause }) => ({ topic, service, state, cause })),
      [{ topic: 'crash-loop', service: 'web', state: 'began', cause: 'exit code 3' }],
    )
    for (const { authorization, id, notice } of far.received) {
      assert.equal(authorization, token)
      assert.equal(id, first?.notice.id)
      assert.deepEqual(notice, first?.notice)
    }
    await until('it is written down', limitMs, async () =>
      (await machine.events()).some(({ kind, message }) => kind === 'notice-sent' && message.includes('1 in trouble')),
    )
    const listed = await machine.run(['notify', 'ls'])
    assert.match(listed.stdout, /webhook http:\S+ +idle[\s\S]*crash-loop +web/)
    const texts = [stdout, listed.stdout, JSON.stringify(await machine.events()), JSON.stringify(await machine.status())]
    for (const text of [...texts, JSON.stringify(far.received.map(({ notice }) => notice))]) assert.doesNotMatch(text, /4711/)
  })

  it('is tried by `notify test`, and its change shows in the plan', async () => {
    await using far = new FarEnd()
    const url = await far.listen()
    await using machine = new Machine()
    await machine.up({ web: { command: 'sleep 1000' } })
    const none = await machine.run(['notify', 'test'])
    assert.deepEqual([none.code, /E_NOTIFY_NONE/.test(none.stderr)], [1, true], none.stderr)
    const config = (target: object): string =>
      `export default define(${JSON.stringify({ name: 'test', notify: target, services: { web: { command: 'sleep 1000' } } })})`
    machine.writeConfigText(config({ webhook: url }))
    const { pid } = await machine.instance('web/0')
    const plan = await machine.run(['plan'])
    assert.match(plan.stdout, /\+ @notify +notify\n.*webhook http:\/\/127\.0\.0\.1:\d+\n/)
    await machine.up()
    assert.equal((await machine.instance('web/0')).pid, pid)
    assert.equal((await machine.run(['plan', '--exit-code'])).code, 0)
    const tested = await machine.run(['notify', 'test'])
    assert.deepEqual([tested.code, tested.stdout.replace(/:\d+:/, ':PORT:')], [0, '✓ webhook http://127.0.0.1:PORT: 204\n'])
    assert.deepEqual(
      far.received.map(({ notice }) => [notice.kind, notice.began, notice.project]),
      [['test', 0, 'test']],
    )
    machine.writeConfigText(config({ webhook: url, on: ['deploy'], timeout: '5s' }))
    assert.match((await machine.run(['plan'])).stdout, /notify\.0\.timeout: 10s → 5s/)
  })
})

describe('notify by command', { timeout: hangLimit(600_000) }, () => {
  it('is given the notice on standard input and in a variable; how it ends is its answer, and nothing of it is left', async () => {
    await using machine = new Machine({ environment: { TOKEN_OF_TEST: token } })
    const of = (name: string): string => join(machine.workshop, name)
    // Process ids inside are of a namespace of their own: what is left is found by its words.
    const mark = String(10_000_000 + process.pid)
    writeFileSync(
      join(machine.workshop, 'config/page.sh'),
      `cat >${of('stdin')}; printf '%s\\n' "$DARUMA_NOTICE" >${of('variable')}
echo "$PAGER $TOKEN $DARUMA_NOTICE_ID $PWD" >${of('environment')}
setsid sleep ${mark} &\n`,
    )
    const targets = `[
      { command: ['sh', './page.sh'], environment: { PAGER: 'ops', TOKEN: secret('TOKEN_OF_TEST') }, timeout: '2m' },
      { command: 'echo "the pager said no to $TOKEN"; exit 7', environment: { TOKEN: secret('TOKEN_OF_TEST') }, timeout: '2m' },
      { command: 'trap "" TERM; sleep ${mark} & wait; sleep ${mark}', timeout: '3s' },
      { command: ['/no/such/program'], timeout: '2m' },
    ]`
    machine.writeConfigText(`import { secret } from 'daruma'
export default define({ name: 'test', notify: ${targets}, services: { web: { command: 'sleep 1000' } } })`)
    await machine.up()
    const outcome = await machine.run(['notify', 'test', '--json'], { limitMs: hangLimit(600_000) })
    assert.equal(outcome.code, 1, outcome.stderr)
    const { id, answers } = JSON.parse(outcome.stdout) as NoticeTestAnswer
    assert.equal(answers[0]?.target, 'command sh ./page.sh')
    assert.deepEqual(
      answers.slice(0, 3).map(({ isTaken, message }) => `${isTaken} ${message}`),
      ['true exit code 0', 'false ended with exit code 7; it said: the pager said no to [redacted]', 'false no end within 3 s'],
    )
    assert.equal(answers[3]?.isTaken, false)
    const text = readFileSync(of('stdin'), 'utf8')
    assert.equal(readFileSync(of('variable'), 'utf8'), text)
    assert.deepEqual((JSON.parse(text) as Notice).kind, 'test')
    assert.equal(readFileSync(of('environment'), 'utf8'), `ops ${token} ${id} ${join(machine.workshop, 'config')}\n`)
    assert.deepEqual(
      allPids().filter((pid) => commandLine(pid).includes(mark)),
      [],
    )
    assert.equal(machine.find('instance', '@notify/0').length, 0)
  })

  it('of a daemon that died is ended, and runs again with the same notice', async () => {
    await using machine = new Machine()
    const [fall, begun, go] = ['fall', 'begun', 'go'].map((name) => join(machine.workshop, name)) as [string, string, string]
    const command = `echo "$DARUMA_NOTICE_ID" >>${begun}; while [ ! -e ${go} ]; do sleep 0.05; done`
    const web = {
      command: `while [ ! -e ${fall} ]; do sleep 0.1; done; exit 3`,
      restart: { delay: '50ms', maxDelay: '200ms' },
    }
    machine.writeConfigText(
      `export default define(${JSON.stringify({ name: 'test', notify: { command, timeout: '2m' }, services: { web } })})`,
    )
    await machine.up()
    writeFileSync(fall, '')
    await until('the command runs', limitMs, () => existsSync(begun))
    const [first] = machine.find('instance', '@notify/0')
    await machine.kill('daemon')
    const ids = (): readonly string[] => readFileSync(begun, 'utf8').trim().split('\n')
    await until('it runs again', limitMs, () => ids().length === 2)
    assert.ok(first === undefined || !isAlive(first), 'the first has been ended')
    writeFileSync(go, '')
    await until('it is taken', limitMs, async () => (await machine.events()).some(({ kind }) => kind === 'notice-sent'))
    assert.equal(new Set(ids()).size, 1)
    assert.equal(ids().length, 2)
  })
})
