/**
 * The witness as a process of its own, so that neither a stopped daemon nor a busy test can make it look away. A copy's
 * connection is open for as long as the copy lives; the kernel closes it, whatever kills the copy.
 */

import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { findInNamespace } from '../processes.ts'
import { createLedger, type Copy, type Entry, type Violation } from './ledger.ts'
import { createSweep, slotOf } from './sweep.ts'

export type Question = { readonly id: number } & (
  | { readonly ask: 'state' }
  | { readonly ask: 'absolve'; readonly slot: string }
  | { readonly ask: 'sweep' }
  | { readonly ask: 'watch'; readonly state: string; readonly name: string }
)

export type Message =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'changed' }
  | {
      readonly kind: 'answer'
      readonly id: number
      readonly live: readonly Copy[]
      readonly violations: readonly Violation[]
      readonly history: readonly Entry[]
      readonly absolved: readonly Violation[]
    }

const sweepEveryMs = 100

const ledger = createLedger(() => send({ kind: 'changed' }))
const server = createServer((socket) => attend(socket))
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const sweep = createSweep(address.port)
  const departures = new Map<string, () => void>()

  const sweepOnce = (): void => {
    const seen = new Map(sweep.look().map((copy) => [`${copy.slot} ${copy.epoch}`, copy]))
    for (const [name, leave] of departures) {
      if (seen.has(name)) continue
      departures.delete(name)
      leave()
    }
    for (const [name, copy] of seen) {
      if (!departures.has(name)) departures.set(name, ledger.arrive(copy))
    }
  }
  setInterval(sweepOnce, sweepEveryMs)
  process.on('message', (question: Question) => {
    if (question.ask === 'sweep') sweepOnce()
    if (question.ask === 'watch') sweep.watch(question.state, question.name)
    const absolved = question.ask === 'absolve' ? ledger.absolve(question.slot) : []
    const state = { live: ledger.live(), violations: ledger.violations(), history: ledger.history() }
    send({ kind: 'answer', id: question.id, ...state, absolved })
  })
  send({ kind: 'listening', port: address.port })
})
process.on('disconnect', () => process.exit(0))

function attend(socket: Socket): void {
  let leave: (() => void) | null = null
  let isClosed = false
  socket.on('error', () => {})
  socket.on('close', () => {
    isClosed = true
    leave?.()
  })
  const lines = createInterface({ input: socket })
  lines.on('error', () => {})
  lines.once('line', (line) => {
    const hello = JSON.parse(line) as Record<string, string> & { readonly pid: number; readonly startTicks: number }
    void (async () => {
      // The predecessor's end may lie in the queue behind this hello: let the loop see every close that has already happened.
      for (let turn = 0; turn < 3; turn += 1) await nextTurn()
      const copy: Copy = {
        slot: slotOf(hello) ?? 'unknown',
        epoch: Number(hello['DARUMA_EPOCH']),
        kind: hello['kind'] ?? 'unknown',
        process: findInNamespace({ pid: hello.pid, startTicks: hello.startTicks, namespace: hello['namespace'] ?? '' }),
        seenBy: 'connection',
      }
      leave = ledger.arrive(copy)
      if (isClosed) leave()
      else socket.write('seen\n')
    })()
  })
}

function send(message: Message): void {
  if (process.connected) process.send?.(message)
}
