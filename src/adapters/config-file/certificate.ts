/**
 * A certificate and its key, looked at before a proxy is given them: a wrong one is found out here, with its place in the config, and
 * not by the first visitor.
 */

import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { open } from 'node:fs/promises'
import { describeEnd, warnBeforeDays } from '../../core/balance/certificate-end.ts'

export interface CertificateFault {
  readonly code: string
  /** Which of the two files it is about. */
  readonly about: 'certificate' | 'key'
  readonly message: string
  readonly allowed: string | null
}

export interface CertificatePair {
  readonly digest: string
  /** From the server's own to the last before the root. */
  readonly chain: readonly X509Certificate[]
}

const mostBytes = 1024 * 1024
const dayMs = 86_400_000

/** Of the files alone; what they are for is looked at by {@link explainDomain}. */
export async function readCertificate(
  files: { readonly certificate: string; readonly key: string },
  nowMs: number,
): Promise<CertificatePair | CertificateFault> {
  const certificate = await readPem(files.certificate, 'certificate')
  if (typeof certificate !== 'string') return certificate
  const key = await readPem(files.key, 'key')
  if (typeof key !== 'string') return key
  const parsed = parseChain(certificate, files.certificate)
  if ('code' in parsed) return parsed
  const { chain } = parsed
  const privateKey = parseKey(key, files.key)
  if ('code' in privateKey) return privateKey
  if (chain[0]?.checkPrivateKey(privateKey) !== true) return explainMismatch(chain, privateKey, files)
  const late = explainTime(chain, files.certificate, nowMs)
  if (late !== null) return late
  const digest = createHash('sha256').update(certificate).update('\0').update(key).digest('hex')
  return { digest, chain }
}

/** Null when the file holds certificates that others may be recognised by. */
export async function readAuthorities(file: string): Promise<CertificateFault | null> {
  const text = await readPem(file, 'certificate')
  if (typeof text !== 'string') return text
  const parsed = parseChain(text, file)
  return 'code' in parsed ? parsed : null
}

/** Null when the certificate is for the domain; `*.example.com` must stand in it as such. */
export function explainDomain(own: X509Certificate, domain: string, file: string): CertificateFault | null {
  const names = namesOf(own)
  const isCovered = domain.startsWith('*.') ? names.includes(domain) : own.checkHost(domain) !== undefined
  if (isCovered) return null
  // A name in the subject alone counts for nobody any more (RFC 9525).
  const shown =
    names.length === 0
      ? 'no domain (it has no subjectAltName)'
      : `${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`
  return fault(
    'E_CERTIFICATE_DOMAIN',
    'certificate',
    `the certificate ${file} is for ${shown}, and not for ${domain}`,
    `a certificate for ${domain}`,
  )
}

function namesOf(own: X509Certificate): readonly string[] {
  return [...(own.subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g)].map((match) => match[1]!.toLowerCase())
}

async function readPem(path: string, about: 'certificate' | 'key'): Promise<string | CertificateFault> {
  const what = about === 'key' ? `the key ${path}` : `the certificate ${path}`
  try {
    await using file = await open(path, 'r')
    const found = await file.stat()
    if (!found.isFile()) return fault('E_CERTIFICATE_UNREADABLE', about, `${what} is no file`, 'a PEM file')
    if (found.size > mostBytes)
      return fault('E_CERTIFICATE_FORMAT', about, `${what} is larger than a certificate can be`, 'at most 1 MiB')
    return await file.readFile('utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === undefined) throw error
    if (code === 'ENOENT' || code === 'ENOTDIR') return fault('E_CERTIFICATE_MISSING', about, `${what} does not exist`, null)
    const why = code === 'EACCES' ? 'permission denied' : code
    return fault('E_CERTIFICATE_UNREADABLE', about, `${what} cannot be read (${why})`, null)
  }
}

function parseChain(text: string, file: string): Pick<CertificatePair, 'chain'> | CertificateFault {
  const blocks =
    text.match(/-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) {
    const isKey = text.includes('PRIVATE KEY-----')
    const message = isKey ? `${file} holds a key and no certificate` : `${file} is no PEM file with a certificate`
    return fault('E_CERTIFICATE_FORMAT', 'certificate', message, '-----BEGIN CERTIFICATE----- and so on')
  }
  const chain: X509Certificate[] = []
  for (const [index, block] of blocks.slice(0, 20).entries()) {
    try {
      chain.push(new X509Certificate(block))
    } catch {
      const which = blocks.length === 1 ? 'the certificate' : `certificate ${index + 1} of ${blocks.length}`
      return fault('E_CERTIFICATE_FORMAT', 'certificate', `${which} in ${file} cannot be read: it is damaged`, null)
    }
  }
  return { chain }
}

function parseKey(text: string, file: string): KeyObject | CertificateFault {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(text)) {
    return fault(
      'E_CERTIFICATE_FORMAT',
      'key',
      `the key ${file} has a passphrase, and there is no one to type it`,
      'a key without one',
    )
  }
  try {
    return createPrivateKey(text)
  } catch {
    const isCertificate = text.includes('BEGIN CERTIFICATE') && !text.includes('PRIVATE KEY')
    const message = isCertificate ? `${file} holds a certificate and no key` : `${file} is no PEM file with a private key`
    return fault('E_CERTIFICATE_FORMAT', 'key', message, '-----BEGIN PRIVATE KEY----- and so on')
  }
}

function explainMismatch(
  chain: readonly X509Certificate[],
  key: KeyObject,
  files: { readonly certificate: string; readonly key: string },
): CertificateFault {
  const place = chain.findIndex((certificate) => certificate.checkPrivateKey(key))
  const message = `the key ${files.key} does not belong to the certificate ${files.certificate}`
  const allowed =
    place > 0
      ? `the server's own certificate first in the file: it is number ${place + 1} there`
      : 'the key that the certificate was made for'
  return fault('E_CERTIFICATE_KEY', 'key', message, allowed)
}

/** An intermediate that is out of date breaks the chain as much as the server's own. */
function explainTime(chain: readonly X509Certificate[], file: string, nowMs: number): CertificateFault | null {
  for (const [index, { validFromDate, validToDate }] of chain.entries()) {
    const which = index === 0 ? `the certificate ${file}` : `certificate ${index + 1} in ${file}`
    if (validToDate.getTime() <= nowMs) {
      return fault(
        'E_CERTIFICATE_EXPIRED',
        'certificate',
        `${which} expired on ${day(validToDate)}`,
        'a certificate that is valid now',
      )
    }
    if (validFromDate.getTime() > nowMs) {
      const message = `${which} is not valid before ${validFromDate.toISOString()}`
      return fault('E_CERTIFICATE_NOT_YET', 'certificate', message, 'a certificate that is valid now; is the clock right?')
    }
  }
  return null
}

/** Null while there is time enough; then one sentence on the first of the chain to end. */
export function explainEnd(chain: readonly X509Certificate[], file: string, nowMs: number): string | null {
  const endMs = Math.min(...chain.map(({ validToDate }) => validToDate.getTime()))
  return endMs - nowMs > warnBeforeDays * dayMs ? null : describeEnd(file, new Date(endMs).toISOString())
}

const day = (date: Date): string => date.toISOString().slice(0, 10)

const fault = (code: string, about: 'certificate' | 'key', message: string, allowed: string | null): CertificateFault => ({
  code,
  about,
  message,
  allowed,
})
