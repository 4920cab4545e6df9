/** A probe's request. Whatever is in the config, it is one request line and four headers: nothing can add a line of its own. */

export interface HttpTarget {
  readonly host: string
  readonly port: number
  readonly path: string
  readonly userAgent: string
}

export function renderRequest({ host, port, path, userAgent }: HttpTarget): string {
  const lines = [
    `GET ${encodeTarget(path)} HTTP/1.1`,
    `Host: ${authority(host, port)}`,
    `User-Agent: ${visible(userAgent)}`,
    'Accept: */*',
    'Connection: close',
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** For people: `http://127.0.0.1:20001/healthz`. */
export function renderUrl({ host, port, path }: HttpTarget): string {
  const url = `http://${authority(host, port)}${encodeTarget(path)}`
  return url.length <= 120 ? url : `${url.slice(0, 119)}…`
}

/** Whatever may not stand in a request target becomes percent-encoded UTF-8; what is encoded already stays. */
function encodeTarget(path: string): string {
  const target = path.startsWith('/') ? path : `/${path}`
  return target.toWellFormed().replaceAll(/[^\x21-\x7e]|#/gu, (character) => encodeURIComponent(character))
}

const authority = (host: string, port: number): string => `${host.includes(':') ? `[${visible(host)}]` : visible(host)}:${port}`

/** Without blanks and control characters. */
const visible = (text: string): string => text.replaceAll(/[^\x21-\x7e]/g, '')
