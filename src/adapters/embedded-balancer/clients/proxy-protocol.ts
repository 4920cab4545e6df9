/**
 * The PROXY protocol (haproxy.org, proxy-protocol.txt): versions 1 and 2 are read, version 2 is written. A reader asks again with more
 * bytes until it has an answer; what is too long or no header ends the connection, as the text demands.
 */

import { isIP, isIPv4, isIPv6 } from 'node:net'

export interface Endpoints {
  readonly sourceAddress: string
  readonly sourcePort: number
  readonly destinationAddress: string
  readonly destinationPort: number
}

export type ProxyHeader =
  | { readonly kind: 'more' }
  | { readonly kind: 'bad' }
  /** `endpoints` is null for LOCAL and UNKNOWN: the connection's own are meant. */
  | { readonly kind: 'header'; readonly bytes: number; readonly endpoints: Endpoints | null }

const signature: Buffer = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** Of version 1, with its end; and of version 2, which may carry extensions that we skip. */
const longestText = 107
const longestBinary = 16 + 4096

export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  const compared = Math.min(bytes.length, signature.length)
  if (bytes.subarray(0, compared).equals(signature.subarray(0, compared)))
    return compared < signature.length ? { kind: 'more' } : parseBinary(bytes)
  return parseText(bytes)
}

function parseText(bytes: Buffer): ProxyHeader {
  const text = bytes.toString('latin1', 0, longestText)
  if (!'PROXY '.startsWith(text.slice(0, 6))) return { kind: 'bad' }
  const end = text.indexOf('\r\n')
  if (end < 0) return text.length >= longestText ? { kind: 'bad' } : { kind: 'more' }
  const words = text.slice(0, end).split(' ')
  if (words[1] === 'UNKNOWN') return { kind: 'header', bytes: end + 2, endpoints: null }
  const [, family, sourceAddress = '', destinationAddress = '', sourcePort = '', destinationPort = ''] = words
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : null
  const isRight = words.length === 6 && isAddress !== null && isAddress(sourceAddress) && isAddress(destinationAddress)
  if (!isRight || !isPort(sourcePort) || !isPort(destinationPort)) return { kind: 'bad' }
  const ports = { sourcePort: Number(sourcePort), destinationPort: Number(destinationPort) }
  return { kind: 'header', bytes: end + 2, endpoints: { sourceAddress, destinationAddress, ...ports } }
}

const isPort = (text: string): boolean => /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535

function parseBinary(bytes: Buffer): ProxyHeader {
  if (bytes.length < 16) return { kind: 'more' }
  const [command, family, length] = [bytes.readUInt8(12), bytes.readUInt8(13), bytes.readUInt16BE(14)]
  const total = 16 + length
  if (total > longestBinary || (command !== 0x20 && command !== 0x21)) return { kind: 'bad' }
  if (bytes.length < total) return { kind: 'more' }
  const addressBytes = family === 0x11 ? 4 : family === 0x21 ? 16 : 0
  if (command === 0x20 || addressBytes === 0) return { kind: 'header', bytes: total, endpoints: null }
  if (length < 2 * addressBytes + 4) return { kind: 'bad' }
  const portsAt = 16 + 2 * addressBytes
  const endpoints = {
    sourceAddress: addressText(bytes.subarray(16, 16 + addressBytes)),
    destinationAddress: addressText(bytes.subarray(16 + addressBytes, portsAt)),
    sourcePort: bytes.readUInt16BE(portsAt),
    destinationPort: bytes.readUInt16BE(portsAt + 2),
  }
  return { kind: 'header', bytes: total, endpoints }
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(2 * group).toString(16))
  return groups.join(':')
}

/** Version 2. Addresses of two families are both written as IPv6; what is no address at all makes it LOCAL. */
export function renderProxyHeader(endpoints: Endpoints): Buffer {
  const { sourceAddress, destinationAddress, sourcePort, destinationPort } = endpoints
  const [source, destination] = [isIP(sourceAddress), isIP(destinationAddress)]
  if (source === 0 || destination === 0) return Buffer.concat([signature, Buffer.from([0x20, 0, 0, 0])])
  const isShort = source === 4 && destination === 4
  const toBytes = isShort ? shortBytes : longBytes
  const addresses = Buffer.concat([toBytes(sourceAddress), toBytes(destinationAddress)])
  const rest = Buffer.alloc(4)
  rest.writeUInt16BE(sourcePort, 0)
  rest.writeUInt16BE(destinationPort, 2)
  const head = Buffer.from([0x21, isShort ? 0x11 : 0x21, 0, addresses.length + rest.length])
  return Buffer.concat([signature, head, addresses, rest])
}

const shortBytes = (address: string): Buffer => Buffer.from(address.split('.').map(Number))

function longBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.concat([Buffer.alloc(10), Buffer.from([0xff, 0xff]), shortBytes(address)])
  const text = address.replace(/%.*$/, '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number)
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
  })
  const [front = '', back] = text.split('::')
  const groups = (part: string | undefined): number[] =>
    part === undefined || part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
  const [first, last] = [groups(front), groups(back)]
  const all = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last]
  const bytes = Buffer.alloc(16)
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(group, 2 * index)
  return bytes
}
