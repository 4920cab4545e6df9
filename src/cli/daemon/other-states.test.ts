/** A second copy of a config beside daemons of other states, which are processes: these are found by their command lines. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'

import { createContext, createScreen, temporaryFolder } from '../../../test/cli/harness.ts'
import { defaultBalancer as balancer } from '../../core/keys/balancer.ts'
import { type Claim, settleOwnership } from '../config/ownership.ts'
import { Invocation } from '../tree/invocation.ts'

const file = '/srv/shop/daruma.config.ts'
const config = { file, project: { name: 'shop', stage: null, balancer, notify: [], services: [] }, releases: [] }
const running = { id: 'shop', isDown: false, origin: { file, user: 'ada', at: '2026-11-22T03:00:00.000Z' } }
const aCopy: Claim = { id: null, isKnown: false, handOver: null, isOpen: false }

/** A daemon of another state, told by its command line; null: it never answers. */
async function otherDaemon(directory: string, answer: { readonly afterMs: number } | null): Promise<AsyncDisposable> {
  const socket = JSON.stringify(join(directory, 'daemon.sock'))
  const answered = `response.end(${JSON.stringify(JSON.stringify([running]))})`
  const onRequest = answer === null ? '' : `setTimeout(() => ${answered}, ${answer.afterMs})`
  const program = `require('http').createServer((_, response) => { ${onRequest} }).listen(${socket}, () => console.log('up'))`
  const words = ['-e', program, '--', 'daemon', 'run', '--state', directory]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return {
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

test('a second copy is not begun beside a daemon that takes its time to say that it runs this config, nor beside a silent one', async () => {
  const settleNew = async (flags: Readonly<Record<string, boolean>>, answer?: string): Promise<Claim | null> => {
    const context = createContext({ terminal: createScreen(answer === undefined ? {} : { answer }) })
    const question = { config, client: null, state: '/nowhere', mayAsk: true }
    return settleOwnership(context, new Invocation([], flags), question)
  }
  using folder = temporaryFolder()
  {
    await using _silent = await otherDaemon(folder.path, null)
    await Promise.all([
      assert.rejects(settleNew({ yes: true }), { code: 'E_DAEMON_SILENT', hint: /--new/ }),
      settleNew({}, 'no').then((claim) => assert.equal(claim, null)),
      settleNew({}, 'y').then((claim) => assert.deepEqual(claim, aCopy)),
      settleNew({ new: true }).then((claim) => assert.deepEqual(claim, aCopy)),
    ])
  }
  using other = temporaryFolder()
  await using _slow = await otherDaemon(other.path, { afterMs: 1500 })
  const message = `ada runs this config already, in the state ${other.path}: here, all of it would run a second time.`
  await assert.rejects(settleNew({}), { code: 'E_PROJECT_ELSEWHERE', message })
})
