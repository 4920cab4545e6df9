/**
 * Clients that mean harm, over raw sockets: what no HTTP library would send. Every one of them has a limit in time and bytes, and says
 * what came back, byte for byte.
 */

import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Reply {
  /** As latin1. */
  readonly text: string
  /** Whether the other side ended the connection: else our own limit did. */
  readonly isClosed: boolean
  /** How many bytes it took from us. */
  readonly taken: number
}

/** The statuses of all answers in it, in order. */
export const statusesIn = (text: string): readonly number[] =>
  [...text.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map((found) => Number(found[1]))

/** Sends the bytes and waits until the other side closes, or the limit has passed. */
export async function attack(port: number, bytes: string | Buffer, limitMs = 3000): Promise<Reply> {
  return await converse(port, limitMs, async (socket) => {
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  })
}

/** Sends the beginning, then the piece again and again, as fast as it is taken, until the other side has had enough. */
export async function flood(
  port: number,
  options: { readonly beginning: string; readonly piece: string; readonly mostBytes: number; readonly limitMs: number },
): Promise<Reply> {
  const piece = Buffer.from(options.piece.repeat(Math.ceil(16_384 / options.piece.length)), 'latin1')
  return await converse(port, options.limitMs, async (socket) => {
    socket.write(options.beginning, 'latin1')
    while (!socket.destroyed && socket.writable && socket.bytesWritten < options.mostBytes) {
      if (socket.write(piece)) await sleep(0)
      else await Promise.race([sleep(50), new Promise((resolve) => void socket.once('drain', resolve))])
    }
  })
}

/** Sends the beginning, then a byte each `everyMs`, forever. */
export async function trickle(
  port: number,
  options: { readonly beginning: string; readonly everyMs: number; readonly limitMs: number },
): Promise<Reply> {
  return await converse(port, options.limitMs, async (socket) => {
    socket.write(options.beginning, 'latin1')
    while (!socket.destroyed && socket.writable) {
      await sleep(options.everyMs)
      socket.write('a')
    }
  })
}

/** Opens connections, so many at once, says something on each or nothing, and is gone: politely, or with a reset. */
export async function openAndDrop(
  port: number,
  options: { readonly count: number; readonly atOnce: number; readonly say: string; readonly isRude: boolean },
): Promise<void> {
  for (let opened = 0; opened < options.count; opened += options.atOnce) {
    const sockets = await Promise.all(Array.from({ length: options.atOnce }, () => open(port)))
    for (const socket of sockets) {
      if (options.say !== '') socket.write(options.say, 'latin1')
    }
    await sleep(5)
    for (const socket of sockets) {
      if (options.isRude) socket.resetAndDestroy()
      else socket.destroy()
    }
  }
}

/** Resolves when connected, or when that failed: a closed door is an answer too. */
export async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve)
    socket.once('close', () => resolve())
  })
  return socket
}

async function converse(port: number, limitMs: number, talk: (socket: Socket) => Promise<void>): Promise<Reply> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  let isClosed = false
  socket.on('error', () => (isClosed = true))
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('end', () => (isClosed = true))
  const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()))
  const timer = setTimeout(() => socket.destroy(), limitMs)
  const talking = talk(socket).catch(() => undefined)
  await closed
  clearTimeout(timer)
  await talking
  return { text: Buffer.concat(chunks).toString('latin1'), isClosed, taken: socket.bytesWritten }
}
