/**
 * An ACME server (RFC 8555) that believes nothing: nonces are used once, every signature is verified, and an http-01 challenge is
 * fetched over the network from where the test says that the domain is. It signs with an authority of its own, and counts orders.
 */

import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  verify,
  type JsonWebKeyInput,
  type KeyObject,
} from 'node:crypto'
import { once } from 'node:events'
import { request, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { makeCertificate, selfSigned } from '../../src/system/self-signed.ts'

type JsonWebKey = JsonWebKeyInput['key']

export interface AcmeServer extends AsyncDisposable {
  readonly directory: string
  /** What signs the server's own certificate. */
  readonly ownCertificate: string
  /** What signs those that it gives out. */
  readonly authority: string
  /** New orders, in the order of their coming; an order that is taken up again is not new. */
  readonly orders: readonly string[]
  readonly accounts: ReadonlyMap<string, unknown>
  /** How long the next certificates live. */
  lifeMs: number
  /** The next orders are refused with 429 and this Retry-After, in seconds. */
  refuseFor: number | null
  /** Each token that was asked for, and what was answered. */
  readonly fetched: readonly { readonly domain: string; readonly body: string }[]
}

interface Order {
  readonly id: string
  readonly account: string
  readonly domain: string
  readonly token: string
  status: 'pending' | 'ready' | 'valid' | 'invalid'
  challenge: 'pending' | 'processing' | 'valid' | 'invalid'
  certificate: string | null
}

class Refusal extends Error {
  readonly status: number
  readonly type: string
  constructor(status: number, type: string, detail: string) {
    super(detail)
    this.status = status
    this.type = type
  }
}

export async function startAcmeServer(options: { readonly challengePort: number }): Promise<AcmeServer> {
  const root = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const authority = makeCertificate({
    subject: 'Test Authority',
    names: [],
    publicKey: root.publicKey.export({ type: 'spki', format: 'der' }),
    issuer: { name: 'Test Authority', key: root.privateKey },
    life: { fromMs: Date.now() - 60_000, toMs: Date.now() + 86_400_000 },
  })
  const own = selfSigned(['localhost'], Date.now())
  const nonces = new Set<string>()
  const accounts = new Map<string, KeyObject>()
  const thumbprints = new Map<string, string>()
  const orders = new Map<string, Order>()
  const newOrders: string[] = []
  const fetched: { readonly domain: string; readonly body: string }[] = []
  const state = { lifeMs: 90 * 86_400_000, refuseFor: null as number | null }
  let base = ''

  const server = createServer({ key: own, cert: own }, (incoming, response) => {
    const nonce = randomBytes(16).toString('base64url')
    nonces.add(nonce)
    response.setHeader('replay-nonce', nonce)
    answer(incoming, response).catch((error: unknown) => {
      const refusal = error instanceof Refusal ? error : new Refusal(500, 'serverInternal', String(error))
      if (refusal.status === 429) response.setHeader('retry-after', String(state.refuseFor))
      send(response, refusal.status, { type: `urn:ietf:params:acme:error:${refusal.type}`, detail: refusal.message })
    })
  })

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = incoming.url ?? '/'
    if (path === '/directory') {
      const names = { newNonce: 'nonce', newAccount: 'account', newOrder: 'order' }
      return send(response, 200, Object.fromEntries(Object.entries(names).map(([name, to]) => [name, `${base}/${to}`])))
    }
    if (path === '/nonce') return send(response, 200, null)
    const { account, jwk, payload } = await readSigned(incoming, `${base}${path}`)
    const [, kind = '', id = ''] = path.split('/')
    if (kind === 'account' && id === '') {
      const thumbprint = thumbprintOf(jwk ?? {})
      const known = [...thumbprints].find(([, each]) => each === thumbprint)?.[0]
      const url = known ?? `${base}/account/${accounts.size + 1}`
      accounts.set(url, createPublicKey({ key: jwk ?? {}, format: 'jwk' }))
      thumbprints.set(url, thumbprint)
      response.setHeader('location', url)
      return send(response, known === undefined ? 201 : 200, { status: 'valid' })
    }
    if (account === null) throw new Refusal(401, 'accountDoesNotExist', 'sign with an account')
    if (kind === 'account') return send(response, 200, { status: 'valid' })
    if (kind === 'order' && id === '') {
      if (state.refuseFor !== null) throw new Refusal(429, 'rateLimited', 'too many orders')
      const domain = (payload as { identifiers: { value: string }[] }).identifiers[0]?.value ?? ''
      const token = randomBytes(24).toString('base64url')
      const order: Order = {
        id: `${orders.size + 1}`,
        account,
        domain,
        token,
        status: 'pending',
        challenge: 'pending',
        certificate: null,
      }
      orders.set(order.id, order)
      newOrders.push(domain)
      response.setHeader('location', `${base}/order/${order.id}`)
      return send(response, 201, describe(order))
    }
    const order = orders.get(id)
    if (order === undefined || order.account !== account) throw new Refusal(404, 'malformed', `no ${kind} ${id}`)
    if (kind === 'order') return send(response, 200, describe(order))
    if (kind === 'authorization') return send(response, 200, describeAuthorization(order))
    if (kind === 'challenge') {
      if (order.challenge === 'pending' && payload !== null) void validate(order)
      return send(response, 200, describeChallenge(order))
    }
    if (kind === 'finalize') {
      if (order.status !== 'ready') throw new Refusal(403, 'orderNotReady', `the order is ${order.status}`)
      order.certificate = issue(Buffer.from((payload as { csr: string }).csr, 'base64url'), order.domain)
      order.status = 'valid'
      return send(response, 200, describe(order))
    }
    if (kind === 'certificate' && order.certificate !== null) {
      response.setHeader('content-type', 'application/pem-certificate-chain')
      response.end(order.certificate)
      return
    }
    throw new Refusal(404, 'malformed', `no ${path}`)
  }

  async function readSigned(
    incoming: IncomingMessage,
    url: string,
  ): Promise<{ readonly account: string | null; readonly jwk: JsonWebKey | null; readonly payload: unknown }> {
    let text = ''
    for await (const chunk of incoming) text += String(chunk)
    const jws = JSON.parse(text) as { protected: string; payload: string; signature: string }
    const head = JSON.parse(Buffer.from(jws.protected, 'base64url').toString()) as {
      alg: string
      url: string
      nonce: string
      kid?: string
      jwk?: JsonWebKey
    }
    if (!nonces.delete(head.nonce)) throw new Refusal(400, 'badNonce', 'the nonce was used or never given')
    if (head.url !== url) throw new Refusal(401, 'unauthorized', `signed for ${head.url}`)
    const key = head.jwk === undefined ? accounts.get(head.kid ?? '') : createPublicKey({ key: head.jwk, format: 'jwk' })
    if (key === undefined) throw new Refusal(400, 'accountDoesNotExist', 'unknown account')
    const signed = Buffer.from(`${jws.protected}.${jws.payload}`)
    const isGenuine = verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(jws.signature, 'base64url'))
    if (head.alg !== 'ES256' || !isGenuine) throw new Refusal(401, 'unauthorized', 'the signature does not fit')
    const payload = jws.payload === '' ? null : (JSON.parse(Buffer.from(jws.payload, 'base64url').toString()) as unknown)
    return { account: head.kid ?? null, jwk: head.jwk ?? null, payload }
  }

  /** RFC 8555, 8.3. */
  async function validate(order: Order): Promise<void> {
    order.challenge = 'processing'
    const wanted = `${order.token}.${thumbprints.get(order.account)}`
    const body = await fetchChallenge(options.challengePort, order.domain, order.token)
    fetched.push({ domain: order.domain, body })
    order.challenge = body.trim() === wanted ? 'valid' : 'invalid'
    order.status = order.challenge === 'valid' ? 'ready' : 'invalid'
  }

  function issue(request: Buffer, domain: string): string {
    const [body, , signature] = childrenOf(request)
    const publicKey = childrenOf(body!.whole)[2]!.whole
    const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' })
    if (!verify('sha256', body!.whole, key, signature!.content.subarray(1)))
      throw new Refusal(400, 'badCSR', 'the signature does not fit')
    if (!body!.whole.includes(Buffer.concat([Buffer.from([0x82, domain.length]), Buffer.from(domain)])))
      throw new Refusal(400, 'badCSR', `it is not for ${domain}`)
    const life = { fromMs: Date.now() - 1000, toMs: Date.now() + state.lifeMs }
    const leaf = makeCertificate({
      subject: domain,
      names: [domain],
      publicKey,
      issuer: { name: 'Test Authority', key: root.privateKey },
      life,
    })
    return `${leaf}${authority}`
  }

  const describe = (order: Order): unknown => ({
    status: order.status,
    identifiers: [{ type: 'dns', value: order.domain }],
    authorizations: [`${base}/authorization/${order.id}`],
    finalize: `${base}/finalize/${order.id}`,
    ...(order.certificate === null ? {} : { certificate: `${base}/certificate/${order.id}` }),
  })
  const describeChallenge = (order: Order): unknown => ({
    type: 'http-01',
    url: `${base}/challenge/${order.id}`,
    token: order.token,
    status: order.challenge,
    ...(order.challenge === 'invalid' ? { error: { type: 'unauthorized', detail: 'the answer was another one' } } : {}),
  })
  const describeAuthorization = (order: Order): unknown => ({
    status: order.challenge === 'processing' ? 'pending' : order.challenge,
    identifier: { type: 'dns', value: order.domain },
    challenges: [describeChallenge(order)],
  })

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  base = `https://localhost:${(server.address() as AddressInfo).port}`
  return Object.assign(state, {
    directory: `${base}/directory`,
    ownCertificate: own.split('-----BEGIN PRIVATE KEY')[0] ?? '',
    authority,
    orders: newOrders,
    fetched,
    accounts,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  })
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(body === null ? undefined : JSON.stringify(body))
}

/** RFC 7638. */
const thumbprintOf = ({ crv, kty, x, y }: JsonWebKey): string =>
  createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url')

function fetchChallenge(port: number, domain: string, token: string): Promise<string> {
  return new Promise((resolve) => {
    const path = `/.well-known/acme-challenge/${token}`
    const asking = request({ host: '127.0.0.1', port, path, headers: { host: domain }, timeout: 5000 }, (response) => {
      let text = ''
      response.on('data', (chunk) => (text += String(chunk)))
      response.on('end', () => resolve(response.statusCode === 200 ? text : `status ${response.statusCode}`))
    })
    asking.on('error', (error) => resolve(error.message))
    asking.end()
  })
}

interface Element {
  readonly whole: Buffer
  readonly content: Buffer
}

/** The elements inside a constructed DER element. */
function childrenOf(der: Buffer): Element[] {
  const { content } = read(der, 0)
  const found: Element[] = []
  for (let at = 0; at < content.length;) {
    const next = read(content, at)
    found.push(next)
    at += next.whole.length
  }
  return found
}

function read(bytes: Buffer, at: number): Element {
  const first = bytes[at + 1] ?? 0
  const more = first < 0x80 ? 0 : first & 0x7f
  const length = more === 0 ? first : bytes.readUIntBE(at + 2, more)
  const begin = at + 2 + more
  return { whole: bytes.subarray(at, begin + length), content: bytes.subarray(begin, begin + length) }
}
