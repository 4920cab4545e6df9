/**
 * Hears the first action of every program: a line in a named pipe, which costs the program no process and no connection. The
 * moment is that of our reading it, so a busy reader can only make the numbers worse.
 */

import { spawnSync } from 'node:child_process'
import { constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'

export interface FirstActions extends Disposable {
  readonly path: string
  /** Forgets what was heard, then resolves at the `count`th first action with its moment (of `performance.now`). */
  next(count: number, limitMs: number): Promise<number>
}

export function hearFirstActions(directory: string): FirstActions {
  const path = join(directory, 'first-action')
  const made = spawnSync('mkfifo', [path])
  if (made.status !== 0) throw new Error(`mkfifo ${path}: ${String(made.stderr)}`)
  // For writing too: otherwise the pipe would end with its first writer.
  const socket = new Socket({ fd: openSync(path, constants.O_RDWR | constants.O_NONBLOCK), readable: true, writable: false })
  let heard = 0
  let listener = (): void => {}
  socket.on('data', (part: Buffer) => {
    heard += part.toString('latin1').split('\n').length - 1
    listener()
  })
  return {
    path,
    next(count, limitMs) {
      heard = 0
      return new Promise((resolve, reject) => {
        const limit = setTimeout(() => reject(new Error(`heard ${heard} of ${count} programs within ${limitMs} ms`)), limitMs)
        listener = () => {
          if (heard < count) return
          clearTimeout(limit)
          listener = () => {}
          resolve(performance.now())
        }
      })
    },
    [Symbol.dispose]: () => socket.destroy(),
  }
}
