/**
 * A registry of images over loopback: enough of the protocol (OCI distribution specification, "Pull") for a real engine to pull from it,
 * with names and passwords checked directly or through a token, and with whatever a registry may answer instead.
 */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'

export interface RegistryOptions {
  /** Where it listens; loopback without. */
  readonly address?: string
  /** Needed for repositories below `private/`. */
  readonly user?: { readonly name: string; readonly password: string; readonly by: 'basic' | 'token' }
}

interface Blob {
  readonly type: string
  readonly bytes: Buffer
}

export class FakeRegistry implements AsyncDisposable {
  readonly #server: Server
  readonly #blobs = new Map<string, Blob>()
  readonly #manifests = new Map<string, string>()
  readonly #options: RegistryOptions
  /** Every request as `METHOD path`, and whether it said who it is. */
  readonly requests: string[] = []
  /** Answers nothing any more and leaves connections open. */
  isSilent = false

  private constructor(options: RegistryOptions) {
    this.#options = options
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  static async start(options: RegistryOptions = {}): Promise<FakeRegistry> {
    const registry = new FakeRegistry(options)
    await new Promise<void>((resolve) => registry.#server.listen(0, options.address ?? '127.0.0.1', resolve))
    return registry
  }

  get host(): string {
    return `${this.#options.address ?? '127.0.0.1'}:${(this.#server.address() as AddressInfo).port}`
  }

  /** Puts an image made of a folder there; `name` as in `team/web:1`. */
  push(name: string, options: { readonly root: string; readonly architecture?: string; readonly cmd?: readonly string[] }): void {
    const packed = spawnSync('tar', ['-C', options.root, '-czf', '-', '.'], { maxBuffer: 64 * 2 ** 20 }).stdout
    const layer = this.#store(packed, 'application/vnd.docker.image.rootfs.diff.tar.gzip')
    const config = this.#store(
      Buffer.from(
        JSON.stringify({
          architecture: options.architecture ?? 'amd64',
          os: 'linux',
          config: { Cmd: options.cmd ?? ['sleep', '1000'], Env: ['PATH=/bin'] },
          rootfs: { type: 'layers', diff_ids: [digestOf(gunzipSync(packed))] },
          history: [{ created_by: 'a test' }],
        }),
      ),
      'application/vnd.docker.container.image.v1+json',
    )
    const describe = (digest: string): object => {
      const { type, bytes } = this.#blobs.get(digest) as Blob
      return { mediaType: type, size: bytes.length, digest }
    }
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      config: describe(config),
      layers: [describe(layer)],
    }
    this.#manifests.set(name, this.#store(Buffer.from(JSON.stringify(manifest)), manifest.mediaType))
  }

  #store(bytes: Buffer, type: string): string {
    const digest = digestOf(bytes)
    this.#blobs.set(digest, { type, bytes })
    return digest
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? '/', 'http://registry')
    const { authorization = '' } = request.headers
    this.requests.push(`${request.method} ${pathname}${authorization === '' ? '' : ` as ${authorization.split(' ')[0]}`}`)
    if (this.isSilent) return
    if (pathname === '/token') return this.#giveToken(authorization, response)
    if (pathname === '/v2/')
      return this.#isKnown(authorization) || this.#options.user === undefined
        ? void response.end('{}')
        : this.#challenge(response)
    const [, repository = '', kind = '', reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? []
    if (repository.startsWith('private/') && !this.#isKnown(authorization)) return this.#challenge(response)
    const digest =
      kind === 'blobs' || reference.startsWith('sha256:') ? reference : this.#manifests.get(`${repository}:${reference}`)
    const blob = this.#blobs.get(digest ?? '')
    if (blob === undefined) return refuse(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown')
    response.writeHead(200, { 'Content-Type': blob.type, 'Content-Length': blob.bytes.length, 'Docker-Content-Digest': digest })
    response.end(request.method === 'HEAD' ? undefined : blob.bytes)
  }

  #isKnown(authorization: string): boolean {
    const { user } = this.#options
    if (user === undefined) return true
    return authorization === (user.by === 'token' ? `Bearer ${tokenOf(user)}` : basic(user))
  }

  #challenge(response: ServerResponse): void {
    const how =
      this.#options.user?.by === 'token' ? `Bearer realm="http://${this.host}/token",service="test"` : 'Basic realm="test"'
    response.setHeader('WWW-Authenticate', how)
    refuse(response, 401, 'UNAUTHORIZED', 'authentication required')
  }

  /** A stranger gets a token too, as registries do: one that opens nothing. */
  #giveToken(authorization: string, response: ServerResponse): void {
    const { user } = this.#options
    if (authorization !== '' && (user === undefined || authorization !== basic(user)))
      return refuse(response, 401, 'UNAUTHORIZED', 'incorrect username or password')
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify({ token: user !== undefined && authorization === basic(user) ? tokenOf(user) : 'stranger' }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const basic = (user: { readonly name: string; readonly password: string }): string =>
  `Basic ${Buffer.from(`${user.name}:${user.password}`).toString('base64')}`
const tokenOf = (user: { readonly name: string }): string => `token-of-${user.name}`

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify({ errors: [{ code, message, detail: null }] }))
}
