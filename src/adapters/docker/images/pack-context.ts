/**
 * A build's folder as the tar archive that the engine wants (POSIX.1-2001, "ustar Interchange Format"; names too long for it in a pax
 * header before the file). Owners and times are left out: the same folder elsewhere makes the same archive.
 */

import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'

import type { ContextEntry } from '../../../image-build/build-context.ts'

export function packContext(context: string, entries: readonly ContextEntry[]): Readable {
  return Readable.from(pack(context, entries), { objectMode: false })
}

const blockBytes = 512

async function* pack(context: string, entries: readonly ContextEntry[]): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    yield* headers(entry)
    if (entry.kind !== 'file') continue
    let sent = 0
    // A file that grows meanwhile must not spill into the next one.
    if (entry.size > 0) {
      for await (const part of createReadStream(join(context, entry.path), { end: entry.size - 1 })) {
        sent += (part as Buffer).length
        yield part as Buffer
      }
    }
    if (sent !== entry.size) throw new Error(`${entry.path} changed while it was read`)
    const rest = entry.size % blockBytes
    if (rest > 0) yield Buffer.alloc(blockBytes - rest)
  }
  yield Buffer.alloc(2 * blockBytes)
}

const types = { file: '0', link: '2', directory: '5' } as const

function* headers(entry: ContextEntry): Generator<Buffer> {
  const path = entry.kind === 'directory' ? `${entry.path}/` : entry.path
  const target = entry.target ?? ''
  const records = [...(fits(path) ? [] : [['path', path] as const]), ...(fits(target) ? [] : [['linkpath', target] as const])]
  if (entry.size >= 8 ** 11) records.push(['size', `${entry.size}`] as never)
  if (records.length > 0) {
    const body = Buffer.from(records.map(([name, value]) => paxRecord(name, value)).join(''))
    yield header({ path: 'PaxHeader', type: 'x', mode: 0o644, size: body.length, target: '' })
    yield Buffer.concat([body, Buffer.alloc((blockBytes - (body.length % blockBytes)) % blockBytes)])
  }
  yield header({ path, type: types[entry.kind], mode: entry.mode, size: entry.size, target })
}

const fits = (text: string): boolean => Buffer.byteLength(text) <= 100

/** The length counts itself. */
function paxRecord(name: string, value: string): string {
  const rest = ` ${name}=${value}\n`
  const bytes = Buffer.byteLength(rest)
  let length = bytes + `${bytes}`.length
  if (`${length}`.length !== `${bytes}`.length) length = bytes + `${length}`.length
  return `${length}${rest}`
}

function header(of: {
  readonly path: string
  readonly type: string
  readonly mode: number
  readonly size: number
  readonly target: string
}): Buffer {
  const block = Buffer.alloc(blockBytes)
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0').slice(-digits)
  Buffer.from(of.path).copy(block, 0, 0, 100)
  block.write(`${octal(of.mode, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0${octal(of.size, 11)}\0${octal(0, 11)}\0`, 100, 'latin1')
  block.write('        ', 148, 'latin1')
  block.write(of.type, 156, 'latin1')
  Buffer.from(of.target).copy(block, 157, 0, 100)
  block.write('ustar\x0000', 257, 'latin1')
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${octal(sum, 6)}\0 `, 148, 'latin1')
  return block
}
