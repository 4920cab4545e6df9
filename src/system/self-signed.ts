/**
 * A certificate that nobody has to trust: what a listener with TLS shows before it has been given a real one. Node can read
 * certificates but make none, and the few lines of DER (X.690, RFC 5280) that one needs are shorter than any library.
 */

import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'

const validDays = 3650
const dayMs = 86_400_000

/** PEM of an EC P-256 certificate for the names, and of its key. Valid from a day before `nowMs` for ten years. */
export function selfSigned(names: readonly string[], nowMs: number): string {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = names[0] ?? 'daruma'
  const certificate = makeCertificate({
    subject,
    names,
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    issuer: { name: subject, key: privateKey },
    life: { fromMs: nowMs - dayMs, toMs: nowMs + validDays * dayMs },
  })
  return `${certificate}${String(privateKey.export({ type: 'pkcs8', format: 'pem' }))}`
}

/** The PEM of a certificate, signed by the issuer's EC key. */
export function makeCertificate(wanted: {
  readonly subject: string
  readonly names: readonly string[]
  /** DER, SubjectPublicKeyInfo. */
  readonly publicKey: Buffer
  readonly issuer: { readonly name: string; readonly key: KeyObject }
  readonly life: { readonly fromMs: number; readonly toMs: number }
}): string {
  const algorithm = sequence(objectId([1, 2, 840, 10045, 4, 3, 2]))
  // dNSName is [2] IA5String.
  const alternatives = sequence(...wanted.names.map((each) => element(0x82, Buffer.from(each))))
  const extension = sequence(objectId([2, 5, 29, 17]), element(0x04, alternatives))
  const body = sequence(
    element(0xa0, element(0x02, Buffer.from([2]))),
    element(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    distinguishedName(wanted.issuer.name),
    sequence(time(wanted.life.fromMs), time(wanted.life.toMs)),
    distinguishedName(wanted.subject),
    wanted.publicKey,
    element(0xa3, sequence(extension)),
  )
  const signature = element(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, wanted.issuer.key)]))
  const text = sequence(body, algorithm, signature)
    .toString('base64')
    .replaceAll(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`
}

/** CN, as UTF8String. */
const distinguishedName = (name: string): Buffer =>
  sequence(element(0x31, sequence(objectId([2, 5, 4, 3]), element(0x0c, Buffer.from(name)))))

function element(tag: number, content: Buffer): Buffer {
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const bytes = length < 0x100 ? [length] : [length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length, ...bytes]), content])
}

const sequence = (...parts: readonly Buffer[]): Buffer => element(0x30, Buffer.concat(parts))

function objectId([first = 0, second = 0, ...rest]: readonly number[]): Buffer {
  const bytes = rest.flatMap((value) => {
    const groups = [value & 0x7f]
    for (let left = value >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80)
    return groups
  })
  return element(0x06, Buffer.from([first * 40 + second, ...bytes]))
}

/** GeneralizedTime. */
const time = (at: number): Buffer =>
  element(0x18, Buffer.from(`${new Date(at).toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}Z`))
