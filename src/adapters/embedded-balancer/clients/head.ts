/**
 * What a request's head says about its framing and its way, and what of it goes on to the upstream. Node's parser has refused the
 * plainly malformed already (two lengths, a length beside chunks, a space before the colon, a folded line, a bare line feed); here stands
 * what a parser lets through and a proxy must not.
 */

export interface Head {
  /** For the upstream: name, value, name, value. Without what belongs to one connection only, and without the client's own word on who it is. */
  readonly headers: string[]
  readonly host: string | null
  /** Of the body: bytes; `chunked`; null for none. */
  readonly length: number | 'chunked' | null
  readonly expectsContinue: boolean
  /** Of all header lines as they came, with their ends. */
  readonly bytes: number
  /** Why it is refused with 400. */
  readonly problem: string | null
}

/** What is told to the upstream about the client. */
export interface Origin {
  readonly address: string
  readonly isTls: boolean
  readonly port: number
}

type Kind = 'drop' | 'host' | 'length' | 'encoding' | 'connection' | 'expect'

/** RFC 9110, 7.6.1, and what we say ourselves. A variant with underscores is the same header for a CGI-like upstream, and for nobody before it: it is dropped. */
const kinds: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['host', 'host'],
  ['content-length', 'length'],
  ['transfer-encoding', 'encoding'],
  ['connection', 'connection'],
  ['expect', 'expect'],
  ['keep-alive', 'drop'],
  ['proxy-connection', 'drop'],
  ['proxy-authorization', 'drop'],
  ['proxy-authenticate', 'drop'],
  ['te', 'drop'],
  ['trailer', 'drop'],
  ['upgrade', 'drop'],
  ['forwarded', 'drop'],
  ['x-forwarded-for', 'drop'],
  ['x-forwarded-proto', 'drop'],
  ['x-forwarded-host', 'drop'],
  ['x-forwarded-port', 'drop'],
])
const specialLengths: ReadonlySet<number> = new Set([...kinds.keys()].map((name) => name.length))

export function readHead(raw: readonly string[], version: string, origin: Origin): Head {
  const headers: string[] = []
  let host: string | null = null
  let problem: string | null = null
  let nominated: string | null = null
  let length: Head['length'] = null
  let expectsContinue = false
  let bytes = 0
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] as string
    const value = raw[index + 1] as string
    bytes += name.length + value.length + 4
    const kind = kindOf(name)
    if (kind === undefined) headers.push(name, value)
    else if (kind === 'host') {
      if (host !== null) problem = 'two Host headers'
      host = value
      headers.push('host', value)
    } else if (kind === 'length') {
      if (length !== null || !/^\d{1,15}$/.test(value)) problem = 'a Content-Length that is none, or a second one'
      length = Number(value)
      headers.push('content-length', value)
    } else if (kind === 'encoding') {
      if (length !== null || version !== '1.1' || value.toLowerCase() !== 'chunked')
        problem = 'a Transfer-Encoding other than chunked'
      length = 'chunked'
    } else if (kind === 'connection') nominated = nominated === null ? value : `${nominated},${value}`
    else if (kind === 'expect') expectsContinue = true
  }
  headers.push('x-forwarded-for', origin.address, 'x-forwarded-proto', origin.isTls ? 'https' : 'http')
  headers.push('x-forwarded-port', String(origin.port))
  if (host !== null) headers.push('x-forwarded-host', host)
  if (nominated !== null) dropNominated(headers, nominated)
  return { headers, host, length, expectsContinue, bytes, problem }
}

function kindOf(name: string): Kind | undefined {
  if (!specialLengths.has(name.length)) return undefined
  const lower = name.toLowerCase()
  if (lower.includes('_')) return kinds.has(lower.replaceAll('_', '-')) ? 'drop' : undefined
  return kinds.get(lower)
}

/** These a client cannot take away by naming them: they are ours, or decide where a request ends. */
const kept: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  ...[...kinds.keys()].filter((name) => name.startsWith('x-')),
])

/** `Connection: close, X-This` says that X-This is for us only. */
function dropNominated(headers: string[], nominated: string): void {
  const lower = nominated.toLowerCase()
  if (lower === 'keep-alive' || lower === 'close') return
  const names = new Set(lower.split(',').map((token) => token.trim()))
  let length = 0
  // One pass, however many are named and however many there are: both come from strangers.
  for (let index = 0; index < headers.length; index += 2) {
    const [name, value] = [headers[index] ?? '', headers[index + 1] ?? '']
    const isNamed = names.has(name.toLowerCase()) && !kept.has(name.toLowerCase())
    if (isNamed) continue
    headers[length] = name
    headers[length + 1] = value
    length += 2
  }
  headers.length = length
}

const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'te',
])

/** An answer's headers for the client, as Node's `writeHead` takes them. */
export function answerHeaders(raw: readonly Buffer[]): string[] {
  const headers: string[] = []
  let nominated: string | null = null
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] as Buffer).toString('latin1')
    const value = (raw[index + 1] as Buffer).toString('latin1')
    if (specialLengths.has(name.length)) {
      const lower = name.toLowerCase()
      if (lower === 'connection') nominated = nominated === null ? value : `${nominated},${value}`
      if (hopByHop.has(lower)) continue
    }
    headers.push(name, value)
  }
  if (nominated !== null) dropNominated(headers, nominated)
  return headers
}

/** The path of a request target, with its query; null where it is none, or names another host than the `Host` header does. */
export function readTarget(target: string, host: string | null): string | null {
  if (target.startsWith('/')) return target
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target)
  if (absolute === null || host === null) return null
  const [, authority = '', rest = ''] = absolute
  if (authority.toLowerCase() !== host.toLowerCase()) return null
  return rest.startsWith('/') ? rest : `/${rest}`
}
