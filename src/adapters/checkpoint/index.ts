/**
 * The fault tests' hand on the daemon: each checkpoint is told to a driver over a unix socket and waited at until the driver says
 * `go`. Nothing attaches this in production. A driver that went away, or is silent for 10 s, lets everything run on:
 * a test that died must not leave a daemon standing still.
 *
 * The wire is one line each way: `{"id":1,"point":"runtime.epoch-committed","pid":42}` and `go 1`.
 */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Checkpoint } from '../../ports/checkpoint.ts'
import { DarumaError } from '../../ports/error.ts'

const answerLimitMs = 10_000

/** Connects to the driver's socket. Throws `E_CHECKPOINT_DRIVER` when nobody listens there. */
export async function attachCheckpoints(socketPath: string): Promise<NonNullable<Checkpoint>> {
  const socket = await connectToDriver(socketPath)
  const waiting = new Map<number, () => void>()
  let visits = 0

  const release = (id: number): void => {
    waiting.get(id)?.()
    waiting.delete(id)
  }
  const lines = createInterface({ input: socket })
  lines.on('line', (line) => {
    if (line.startsWith('go ')) release(Number(line.slice('go '.length)))
  })
  // The interface repeats the socket's errors; both end in `close`.
  for (const source of [socket, lines]) source.on('error', () => {})
  socket.on('close', () => {
    for (const id of waiting.keys()) release(id)
  })

  return async (name) => {
    if (socket.destroyed || !socket.writable) return
    const id = (visits += 1)
    const { promise, resolve } = Promise.withResolvers<void>()
    waiting.set(id, resolve)
    const limit = setTimeout(() => release(id), answerLimitMs)
    socket.write(`${JSON.stringify({ id, point: name, pid: process.pid })}\n`)
    await promise
    clearTimeout(limit)
  }
}

async function connectToDriver(socketPath: string): Promise<Socket> {
  const socket = connect(socketPath)
  try {
    await once(socket, 'connect')
  } catch (cause) {
    throw new DarumaError('E_CHECKPOINT_DRIVER', `no checkpoint driver listens on ${socketPath}`, {
      hint: 'unset DARUMA_CHECKPOINTS: it is for fault tests alone',
      cause,
    })
  }
  socket.unref()
  return socket
}
