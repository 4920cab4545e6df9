/**
 * As much of HTTP/1.1 (RFC 9112) as a probe needs: the status and the beginning of the body, from the bytes received so far. It
 * is called again with more bytes, never with less, and is given a bounded number of them.
 */

export type Answer =
  /** Not decided yet. `status` is known when a final status line is in. */
  | { readonly kind: 'incomplete'; readonly status: number | null; readonly body: string }
  | { readonly kind: 'complete'; readonly status: number; readonly body: string }
  | { readonly kind: 'not-http' }

/** Characters of a body that are of interest. */
export const bodyCharacters: number = 200

export function parseAnswer(bytes: Buffer): Answer {
  let start = 0
  for (;;) {
    const line = bytes.toString('latin1', start, start + 15)
    if (!'HTTP/1.'.startsWith(line.slice(0, 7))) return { kind: 'not-http' }
    const status = Number(/^HTTP\/1\.[01] (\d{3})[ \r\n]/.exec(line)?.[1] ?? Number.NaN)
    if (Number.isNaN(status)) return line.length >= 13 ? { kind: 'not-http' } : { kind: 'incomplete', status: null, body: '' }
    const end = bytes.indexOf('\r\n\r\n', start)
    // 1xx are announcements; the answer follows.
    if (status >= 200)
      return end < 0
        ? { kind: 'incomplete', status, body: '' }
        : parseBody(status, bytes.toString('latin1', start, end), bytes.subarray(end + 4))
    if (end < 0) return { kind: 'incomplete', status: null, body: '' }
    start = end + 4
  }
}

function parseBody(status: number, head: string, bytes: Buffer): Answer {
  const isChunked = /^transfer-encoding:.*chunked\s*$/im.test(head)
  const length = Number(/^content-length:\s*(\d+)\s*$/im.exec(head)?.[1] ?? Number.NaN)
  const { content, isWhole } = isChunked ? joinChunks(bytes) : { content: bytes, isWhole: bytes.length >= length }
  const body = content.toString('utf8')
  const isEnough = isWhole || body.length > bodyCharacters || status === 204 || status === 304
  return { kind: isEnough ? 'complete' : 'incomplete', status, body: readable(body) }
}

function joinChunks(bytes: Buffer): { readonly content: Buffer; readonly isWhole: boolean } {
  const chunks: Buffer[] = []
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd < 0 ? at : Math.min(lineEnd, at + 16)), 16)
    if (Number.isNaN(size) || size === 0) return { content: Buffer.concat(chunks), isWhole: lineEnd >= 0 }
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = lineEnd + 2 + size + 2
  }
}

/** One line without control characters, at most {@link bodyCharacters} long. */
export function readable(text: string): string {
  const line = text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim()
  return line.length <= bodyCharacters ? line : `${line.slice(0, bodyCharacters - 1).toWellFormed()}…`
}
