/**
 * The Engine API (https://docs.docker.com/reference/api/engine/), as far as we ask it: HTTP on a socket of this machine, a connection for
 * each question. Nothing here knows of limits or of an engine that is away: that is {@link Engine}'s. Paths are without a
 * version, which means the engine's newest, and what Podman understands too. Why not a library: decision 18.
 */

import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'

import { request } from '../../../system/node-http.ts'
import type { ContainerCreate, ListedContainer, NetworkCreate, NetworkFound, RawImage } from './engine-api.ts'
import { EngineRefusal } from './errors.ts'
import type { RawInspect } from './parse.ts'
import type { RawInfo, RawVersion } from './parse-engine.ts'

interface Credentials {
  readonly username: string
  readonly password: string
}

type Filters = Readonly<Record<string, readonly string[]>>

interface Question {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | Filters>>
  readonly headers?: Readonly<Record<string, string>>
  /** An archive as it is, everything else as JSON. */
  readonly body?: Readable | object
  readonly signal?: AbortSignal | undefined
}

/** Each answer that is not a success is an {@link EngineRefusal}; a connection that fails rejects with Node's own error. */
export class EngineClient {
  readonly socketPath: string

  constructor(socketPath: string) {
    this.socketPath = socketPath
  }

  async ping(signal?: AbortSignal): Promise<void> {
    await readText(await this.#ask({ method: 'GET', path: '/_ping', signal }))
  }

  info(signal?: AbortSignal): Promise<RawInfo> {
    return this.#askForJson({ method: 'GET', path: '/info', signal })
  }

  version(signal?: AbortSignal): Promise<RawVersion> {
    return this.#askForJson({ method: 'GET', path: '/version', signal })
  }

  /** Of Podman, in its own API alone. */
  async networkBackend(signal: AbortSignal): Promise<string | null> {
    const info = await this.#askForJson<{ readonly host?: { readonly networkBackend?: string } }>({
      method: 'GET',
      path: '/v4.0.0/libpod/info',
      signal,
    })
    return info.host?.networkBackend ?? null
  }

  /** Also those that do not run; all of them without `limit`. */
  listContainers(
    filters: Filters,
    options: { readonly limit?: number; readonly signal?: AbortSignal },
  ): Promise<ListedContainer[]> {
    const { limit, signal } = options
    const query = { all: true, filters, ...(limit === undefined ? {} : { limit }) }
    return this.#askForJson({ method: 'GET', path: '/containers/json', query, signal })
  }

  /** Its id. */
  async createContainer({ name, ...body }: ContainerCreate, signal: AbortSignal): Promise<string> {
    const path = '/containers/create'
    const { Id } = await this.#askForJson<{ readonly Id: string }>({ method: 'POST', path, query: { name }, body, signal })
    return Id
  }

  inspectContainer(idOrName: string, signal: AbortSignal): Promise<RawInspect> {
    return this.#askForJson({ method: 'GET', path: `/containers/${encodeURIComponent(idOrName)}/json`, signal })
  }

  /** A container that runs already is refused with 304. */
  async startContainer(id: string): Promise<void> {
    await this.#send({ method: 'POST', path: `/containers/${id}/start` })
  }

  async killContainer(id: string, name: string, signal: AbortSignal): Promise<void> {
    await this.#send({ method: 'POST', path: `/containers/${id}/kill`, query: { signal: name }, signal })
  }

  /** With its anonymous volumes, and also while it runs. */
  async removeContainer(id: string, signal: AbortSignal): Promise<void> {
    await this.#send({ method: 'DELETE', path: `/containers/${id}`, query: { force: true, v: true }, signal })
  }

  /** Frames of both outputs, each line with its time, until the container has ended. */
  followLog(id: string, since: string | undefined): Promise<Readable> {
    const query = { ...everyLine, follow: true, ...(since === undefined ? {} : { since }) }
    return this.#ask({ method: 'GET', path: `/containers/${id}/logs`, query })
  }

  /** The frame of the last line that there is. */
  async lastOfLog(id: string, signal: AbortSignal): Promise<Buffer> {
    return readBytes(await this.#ask({ method: 'GET', path: `/containers/${id}/logs`, query: { ...everyLine, tail: 1 }, signal }))
  }

  /** JSON lines without end. */
  followEvents(filters: Filters): Promise<Readable> {
    return this.#ask({ method: 'GET', path: '/events', query: { filters } })
  }

  inspectImage(name: string, signal: AbortSignal): Promise<RawImage> {
    return this.#askForJson({ method: 'GET', path: `/images/${encodeURI(name)}/json`, signal })
  }

  /** JSON lines that tell of the progress, also that of a failure. */
  pullImage(
    image: { readonly name: string; readonly tag: string },
    login: (Credentials & { readonly serveraddress: string }) | null,
  ): Promise<Readable> {
    // RFC 4648, section 5, with its padding: engines are strict about both.
    const words = login === null ? null : toBase64(login).replaceAll('+', '-').replaceAll('/', '_')
    const headers = words === null ? {} : { 'X-Registry-Auth': words }
    return this.#ask({ method: 'POST', path: '/images/create', query: { fromImage: image.name, tag: image.tag }, headers })
  }

  /** As {@link pullImage}. */
  loadImage(archive: Readable): Promise<Readable> {
    return this.#ask({ method: 'POST', path: '/images/load', query: { quiet: true }, body: archive })
  }

  /** As {@link pullImage}; `logins` by the registry's address. */
  buildImage(
    archive: Readable,
    {
      name,
      file,
      logins,
    }: { readonly name: string; readonly file: string; readonly logins: Readonly<Record<string, Credentials>> | null },
  ): Promise<Readable> {
    const headers = logins === null ? {} : { 'X-Registry-Config': toBase64(logins) }
    const query = { t: name, dockerfile: file, forcerm: true }
    return this.#ask({ method: 'POST', path: '/build', query, headers, body: archive })
  }

  async tagImage(name: string, query: { readonly repo: string; readonly tag: string }, signal: AbortSignal): Promise<void> {
    await this.#send({ method: 'POST', path: `/images/${encodeURI(name)}/tag`, query, signal })
  }

  listNetworks(filters: Filters, signal: AbortSignal): Promise<NetworkFound[]> {
    return this.#askForJson({ method: 'GET', path: '/networks', query: { filters }, signal })
  }

  inspectNetwork(idOrName: string, signal: AbortSignal): Promise<NetworkFound> {
    return this.#askForJson({ method: 'GET', path: `/networks/${encodeURIComponent(idOrName)}`, signal })
  }

  async createNetwork(body: NetworkCreate, signal: AbortSignal): Promise<void> {
    await this.#send({ method: 'POST', path: '/networks/create', body, signal })
  }

  async removeNetwork(idOrName: string, signal: AbortSignal): Promise<void> {
    await this.#send({ method: 'DELETE', path: `/networks/${encodeURIComponent(idOrName)}`, signal })
  }

  async #askForJson<Answer>(question: Question): Promise<Answer> {
    return JSON.parse(await readText(await this.#ask(question))) as Answer
  }

  async #send(question: Question): Promise<void> {
    await readText(await this.#ask(question))
  }

  /** Resolves when the answer begins. */
  async #ask({ method, path, query = {}, headers, body, signal }: Question): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const words = renderQuery(query)
    const asked = request(
      {
        socketPath: this.socketPath,
        method,
        path: words === '' ? path : `${path}?${words}`,
        // Without `Connection: close` a connection that is kept could be one that an engine's restart has broken.
        headers: { Connection: 'close', ...contentType(body), ...headers },
        ...(signal === undefined ? {} : { signal }),
      },
      resolve,
    )
    asked.on('error', reject)
    if (body === undefined || !isArchive(body)) asked.end(body === undefined ? undefined : JSON.stringify(body))
    else {
      body.on('error', (error) => asked.destroy(error))
      asked.on('close', () => body.destroy())
      body.pipe(asked)
    }
    const response = await promise
    const { statusCode = 0 } = response
    if (statusCode >= 200 && statusCode < 300) return response
    throw new EngineRefusal(statusCode, readReason(await readText(response)) || (response.statusMessage ?? ''))
  }
}

const everyLine = { stdout: true, stderr: true, timestamps: true } as const

async function readBytes(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of response) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

async function readText(response: IncomingMessage): Promise<string> {
  let text = ''
  response.setEncoding('utf8')
  for await (const piece of response) text += piece as string
  return text
}

/** Both engines say `{"message": …}`; what stands in front of one may say anything. */
function readReason(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown }
    return typeof message === 'string' ? message : text
  } catch {
    return text
  }
}

const isArchive = (body: Readable | object): body is Readable => 'pipe' in body

function contentType(body: Question['body']): Readonly<Record<string, string>> {
  if (body === undefined) return {}
  return { 'Content-Type': isArchive(body) ? 'application/x-tar' : 'application/json' }
}

function renderQuery(query: NonNullable<Question['query']>): string {
  const words = Object.entries(query).map(([name, value]) => [
    name,
    typeof value === 'object' ? JSON.stringify(value) : `${value}`,
  ])
  return new URLSearchParams(words).toString()
}

const toBase64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64')
