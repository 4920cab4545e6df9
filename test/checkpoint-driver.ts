/**
 * The other end of the checkpoints: lets everybody through and counts, until it is told to hold somebody at a place. Anything that is held
 * stands exactly between two effects, for as long as the test likes (a daemon goes on by itself after 10 s).
 */

import { createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

export interface Arrival {
  readonly point: string
  readonly pid: number
  go(): void
}

export interface CheckpointDriver extends AsyncDisposable {
  readonly path: string
  /** Every place that was passed or held at, in order. */
  seen(): readonly string[]
  /** Resolves when somebody stands at the next place that `isWanted`; rejects after the limit. */
  holdAt(isWanted: (point: string) => boolean, limitMs: number): Promise<Arrival>
}

interface Trap {
  readonly isWanted: (point: string) => boolean
  readonly spring: (arrival: Arrival) => void
}

export async function startCheckpointDriver(path: string): Promise<CheckpointDriver> {
  const traps = new Set<Trap>()
  const sockets = new Set<Socket>()
  const seen: string[] = []
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    const lines = createInterface({ input: socket })
    lines.on('error', () => {})
    lines.on('line', (line) => {
      const { id, point, pid } = JSON.parse(line) as { readonly id: number; readonly point: string; readonly pid: number }
      seen.push(point)
      const go = (): void => void (socket.writable && socket.write(`go ${id}\n`))
      const trap = [...traps].find(({ isWanted }) => isWanted(point))
      if (trap === undefined) return go()
      traps.delete(trap)
      trap.spring({ point, pid, go })
    })
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
  server.unref()

  return {
    path,
    seen: () => seen,
    holdAt: (isWanted, limitMs) =>
      new Promise((resolve, reject) => {
        const trap: Trap = {
          isWanted,
          spring: (arrival) => {
            clearTimeout(limit)
            resolve(arrival)
          },
        }
        const limit = setTimeout(() => {
          traps.delete(trap)
          reject(new Error(`nobody came to the checkpoint within ${limitMs} ms; passed: ${seen.slice(-20).join(' ')}`))
        }, limitMs)
        traps.add(trap)
      }),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
