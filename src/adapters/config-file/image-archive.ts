/**
 * Looks into an image archive without unpacking it: whether it is one, and the digest of its bytes. A tar file is 512-byte blocks, a
 * header and then the content of each member (POSIX.1-2017, pax, "ustar Interchange Format").
 */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'

export type ArchiveAnswer = { readonly digest: string } | { readonly fault: string }

const blockBytes = 512
/** Members that say what is in the archive are small. */
const mostManifestBytes = 4 * 1024 * 1024

/** Rejects only with the errors of the file system. */
export async function readImageArchive(path: string): Promise<ArchiveAnswer> {
  const hash = createHash('sha256')
  const compression = await compressionOf(path)
  const file = createReadStream(path, { highWaterMark: 1024 * 1024 })
  const bytes = Readable.from(hashed(file, hash))
  const unpack = compression === 'gzip' ? createGunzip() : compression === 'zstd' ? createZstdDecompress() : null
  try {
    const fault = await explainTar(unpack === null ? bytes : bytes.pipe(unpack))
    if (fault !== null) return { fault }
    // The end of the tar may come before the end of the file; the rest counts too.
    for await (const _rest of bytes);
    return { digest: hash.digest('hex') }
  } catch (error) {
    const { code = '', syscall } = error as NodeJS.ErrnoException
    if (syscall !== undefined) throw error
    if (code.startsWith('Z_') || code.startsWith('ZSTD_')) return { fault: `cannot be unpacked: it is damaged or ends early` }
    throw error
  } finally {
    file.destroy()
    unpack?.destroy()
  }
}

async function* hashed(source: AsyncIterable<Buffer>, hash: { update(part: Buffer): unknown }): AsyncGenerator<Buffer> {
  for await (const part of source) {
    hash.update(part)
    yield part
  }
}

async function compressionOf(path: string): Promise<'gzip' | 'zstd' | null> {
  await using file = await open(path, 'r')
  const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0)
  const magic = buffer.toString('hex', 0, bytesRead)
  return magic.startsWith('1f8b') ? 'gzip' : magic === '28b52ffd' ? 'zstd' : null
}

/** Null when it is an image archive of either format. */
async function explainTar(source: AsyncIterable<Buffer>): Promise<string | null> {
  const reader = new BlockReader(source)
  const names = new Set<string>()
  let images: number | null = null
  for (let isFirst = true; ; isFirst = false) {
    const header = await reader.take(blockBytes)
    if (header === null) {
      if (isFirst) return reader.isTorn ? 'is no tar file' : 'is empty'
      if (reader.isTorn) return 'ends early: it was not copied whole'
      break
    }
    if (header.every((byte) => byte === 0)) break
    if (!isHeader(header)) return isFirst ? 'is no tar file' : 'is damaged'
    const name = nameIn(header)
    const size = sizeIn(header)
    if (size === null) return 'is damaged'
    const padding = (blockBytes - (size % blockBytes)) % blockBytes
    if (name === 'manifest.json' && size <= mostManifestBytes) {
      const content = await reader.take(size)
      if (content === null) return 'ends early: it was not copied whole'
      images = imagesIn(content.toString('utf8'))
      if (!(await reader.skip(padding))) return 'ends early: it was not copied whole'
    } else if (!(await reader.skip(size + padding))) return 'ends early: it was not copied whole'
    names.add(name)
  }
  if (images !== null && images !== 1) return images === 0 ? 'holds no image' : `holds ${images} images, and one is wanted`
  const isImage = images === 1 || (names.has('oci-layout') && names.has('index.json'))
  return isImage ? null : 'is a tar file, but no image: it has neither manifest.json nor oci-layout in it'
}

/** The checksum counts the bytes of the header with its own field as blanks. */
function isHeader(header: Buffer): boolean {
  const written = octal(header.subarray(148, 156))
  let sum = 8 * 32
  for (let at = 0; at < blockBytes; at += 1) if (at < 148 || at >= 156) sum += header[at]!
  return written === sum
}

function nameIn(header: Buffer): string {
  const name = textIn(header.subarray(0, 100))
  const isPosix = header.toString('latin1', 257, 262) === 'ustar'
  const prefix = isPosix ? textIn(header.subarray(345, 500)) : ''
  return (prefix === '' ? name : `${prefix}/${name}`).replace(/^\.\//, '')
}

/** Octal, or for 8 GiB and more GNU's base 256, marked by the first bit. */
function sizeIn(header: Buffer): number | null {
  const field = header.subarray(124, 136)
  if ((field[0]! & 0x80) === 0) return octal(field)
  const size = Number(field.readBigUInt64BE(4))
  return Number.isSafeInteger(size) ? size : null
}

function octal(field: Buffer): number | null {
  const text = textIn(field).trim()
  return /^[0-7]{1,12}$/.test(text) ? Number.parseInt(text, 8) : text === '' ? 0 : null
}

function textIn(field: Buffer): string {
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end === -1 ? field.length : end)
}

/** Null when it is not what `docker save` writes. */
function imagesIn(text: string): number | null {
  try {
    const manifest: unknown = JSON.parse(text)
    return Array.isArray(manifest) ? manifest.length : null
  } catch {
    return null
  }
}

class BlockReader {
  readonly #parts: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)
  /** Whether the source ended within a block. */
  isTorn = false

  constructor(source: AsyncIterable<Buffer>) {
    this.#parts = source[Symbol.asyncIterator]()
  }

  /** Null at the end of the source. */
  async take(bytes: number): Promise<Buffer | null> {
    const parts: Buffer[] = []
    let missing = bytes
    while (missing > 0) {
      if (this.#rest.length === 0 && !(await this.#next())) {
        this.isTorn = missing < bytes
        return null
      }
      const part = this.#rest.subarray(0, missing)
      this.#rest = this.#rest.subarray(part.length)
      missing -= part.length
      parts.push(part)
    }
    return Buffer.concat(parts)
  }

  /** False when the source ended before. */
  async skip(bytes: number): Promise<boolean> {
    let missing = bytes
    while (missing > 0) {
      if (this.#rest.length === 0 && !(await this.#next())) return false
      const skipped = Math.min(missing, this.#rest.length)
      this.#rest = this.#rest.subarray(skipped)
      missing -= skipped
    }
    return true
  }

  async #next(): Promise<boolean> {
    for (;;) {
      const part = await this.#parts.next()
      if (part.done === true) return false
      this.#rest = part.value
      if (this.#rest.length > 0) return true
    }
  }
}
