/**
 * Starts the witness and asks it. In every run it is also shown doubled copies, one by connections and one in /proc, at its
 * start and again at its close: a witness that does not report them fails the run, because its silence would prove nothing.
 */

import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { hangLimit } from '../hang-limit.ts'
import { identify, namespaceOf, until } from '../processes.ts'
import type { Copy, Entry, Violation } from './ledger.ts'
import type { Message, Question } from './server.ts'

export type { Copy, Entry, Violation } from './ledger.ts'

export interface Witness extends AsyncDisposable {
  /** Given to every copy as `WITNESS_PORT`. */
  readonly port: number
  violations(): Promise<readonly Violation[]>
  live(): Promise<readonly Copy[]>
  history(): Promise<readonly Entry[]>
  /** Resolves with the live copies once they satisfy the predicate. */
  waitFor(description: string, predicate: (live: readonly Copy[]) => boolean, limitMs: number): Promise<readonly Copy[]>
  /** Also the built-in services of that state directory from now on; they are reported as `<name>@balancer/0`. */
  watch(state: string, name: string): Promise<void>
  /** Shows it doubled copies now. Throws when it stays silent about them. */
  examine(): Promise<void>
  /** Shows it the doubled copies once more and ends it. Throws when it stayed silent about them. */
  close(): Promise<void>
}

/** What the witness saw that must never be; told to the test runner too, which tries no such test again. */
export async function violationsOf(witness: Witness): Promise<readonly Violation[]> {
  const violations = await witness.violations()
  const file = process.env['TEST_VIOLATIONS_FILE']
  if (violations.length > 0 && file !== undefined) writeFileSync(file, `${JSON.stringify(violations)}\n`, { flag: 'a' })
  return violations
}

type Answer = Extract<Message, { readonly kind: 'answer' }>
type Ask = Omit<Question, 'id'> & { readonly slot?: string; readonly state?: string; readonly name?: string }

const answerLimitMs = hangLimit(10_000)

export async function startWitness(): Promise<Witness> {
  const child = fork(join(import.meta.dirname, 'server.ts'), [], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ask = correspondWith(child)
  const [first] = (await once(child, 'message')) as [Message]
  if (first.kind !== 'listening') throw new Error('the witness did not begin by listening')
  const { port } = first
  child.unref()

  const close = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    try {
      await showDoubledCopies(port, ask)
    } finally {
      child.ref()
      child.disconnect()
      await once(child, 'exit')
    }
  }

  const witness: Witness = {
    port,
    violations: async () => (await ask({ ask: 'sweep' })).violations,
    live: async () => (await ask({ ask: 'state' })).live,
    history: async () => (await ask({ ask: 'state' })).history,
    waitFor: async (description, predicate, limitMs) => {
      let live: readonly Copy[] = []
      try {
        return await until(description, limitMs, async () => {
          live = (await ask({ ask: 'state' })).live
          return predicate(live) ? live : null
        })
      } catch (error) {
        throw new Error(`the witness saw: ${live.map((copy) => `${copy.slot}#${copy.epoch}`).join(' ') || 'nobody'}`, {
          cause: error,
        })
      }
    },
    watch: async (state, name) => void (await ask({ ask: 'watch', state, name })),
    examine: () => showDoubledCopies(port, ask),
    close,
    [Symbol.asyncDispose]: close,
  }
  try {
    await showDoubledCopies(port, ask)
  } catch (error) {
    child.disconnect()
    throw error
  }
  return witness
}

function correspondWith(child: ChildProcess): (question: Ask) => Promise<Answer> {
  const waiting = new Map<number, (answer: Answer) => void>()
  let asked = 0
  child.on('message', (message: Message) => {
    if (message.kind !== 'answer') return
    waiting.get(message.id)?.(message)
    waiting.delete(message.id)
  })
  return async (question) => {
    const id = (asked += 1)
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const limit = setTimeout(() => reject(new Error('the witness does not answer')), answerLimitMs)
    waiting.set(id, resolve)
    child.send({ ...question, id })
    try {
      return await promise
    } finally {
      clearTimeout(limit)
    }
  }
}

const byConnection = 'doubled-on-purpose/0'
const bySweep = 'doubled-on-purpose/1'

async function showDoubledCopies(port: number, ask: (question: Ask) => Promise<Answer>): Promise<void> {
  // Rising epochs, also from one showing to the next: only the doubling itself is wrong.
  const epoch = Date.now()
  const sockets = [await sayHello(port, epoch), await sayHello(port, epoch + 1)]
  const idlers = [epoch, epoch + 1].map((each) =>
    spawn('tail', ['-f', '/dev/null'], {
      env: { PATH: process.env['PATH'], WITNESS_PORT: String(port), DARUMA_SLOT: bySweep, DARUMA_EPOCH: String(each) },
      stdio: 'ignore',
    }),
  )
  try {
    for (const slot of [byConnection, bySweep]) {
      await until(`the witness reports the doubled copy ${slot}`, 5000, async () => {
        await ask({ ask: 'sweep' })
        const { absolved } = await ask({ ask: 'absolve', slot })
        return absolved.some(({ rule }) => rule === 'never-two')
      })
    }
  } finally {
    for (const socket of sockets) socket.destroy()
    for (const idler of idlers) {
      const gone = once(idler, 'exit')
      idler.kill('SIGKILL')
      await gone
    }
    await until('the doubled copies are gone', 5000, async () => {
      const { live } = await ask({ ask: 'sweep' })
      return live.every(({ slot }) => slot !== byConnection && slot !== bySweep)
    })
    for (const slot of [byConnection, bySweep]) await ask({ ask: 'absolve', slot })
  }
}

async function sayHello(port: number, epoch: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const me = identify(process.pid)
  const namespace = namespaceOf(process.pid)
  socket.write(`${JSON.stringify({ ...me, namespace, kind: 'doubled', DARUMA_SLOT: byConnection, DARUMA_EPOCH: epoch })}\n`)
  await once(socket, 'data')
  return socket
}
