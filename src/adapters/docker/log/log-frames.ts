/**
 * The engine's log stream (Engine API, "Attach to a container", stream format): frames of an 8-byte header and a payload, and with
 * `timestamps` each payload begins with the moment at which the engine took it in. One frame is one write of the log: a line, or a
 * piece of a very long one.
 */

export interface LogEntry {
  /** RFC 3339 with nine digits, so that text order is time order, and the number of the stream: another stream's moment is another one. */
  readonly at: string
  readonly bytes: Buffer
}

const headerBytes = 8

export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  /** Entries that are whole with this piece, in the order of the log; both streams in one. */
  push(piece: Buffer): readonly LogEntry[] {
    let bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece])
    const entries: LogEntry[] = []
    while (bytes.length >= headerBytes) {
      const end = headerBytes + bytes.readUInt32BE(4)
      if (bytes.length < end) break
      const entry = parseEntry(bytes[0] ?? 0, bytes.subarray(headerBytes, end))
      if (entry !== null) entries.push(entry)
      bytes = bytes.subarray(end)
    }
    // A copy, so that a small rest does not keep a large piece alive.
    this.#rest = Buffer.from(bytes)
    return entries
  }
}

function parseEntry(stream: number, payload: Buffer): LogEntry | null {
  const space = payload.indexOf(0x20)
  if (space < 0) return null
  const at = normaliseMoment(payload.toString('latin1', 0, space))
  return at === null ? null : { at: `${at}${stream}`, bytes: payload.subarray(space + 1) }
}

/** Docker writes nine digits always, Podman as many as there are; times of day are UTC in both once `Z` or the offset is taken in. */
export function normaliseMoment(text: string): string | null {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text)
  if (match === null) return null
  const [, seconds = '', fraction = '', zone = 'Z'] = match
  const utc = zone === 'Z' ? `${seconds}` : new Date(`${seconds}${zone}`).toISOString().slice(0, 19)
  return `${utc}.${fraction.padEnd(9, '0')}Z`
}
