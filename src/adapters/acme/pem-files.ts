/** PEM files of a chain and its key: written whole and private, and read back only if they fit together. */

import { createHash, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { renewalMoment } from '../../core/balance/renewal.ts'
import type { StoredCertificate } from '../../ports/traffic/certificates.ts'

/** What is in a file is no certificate with its key; the message says why. */
export class UnusablePem extends Error {}

/** Null where there is no such file. Throws {@link UnusablePem}. */
export async function readPemFile(file: string): Promise<StoredCertificate | null> {
  const text = await readFile(file, 'utf8').catch(() => null)
  return text === null ? null : inspectPem(file, text)
}

export function inspectPem(file: string, text: string): StoredCertificate {
  const leaf = readLeaf(text)
  const names = (leaf.subjectAltName ?? '')
    .split(', ')
    .filter((name) => name.startsWith('DNS:'))
    .map((name) => name.slice(4).toLowerCase())
    .filter((name) => hostName.test(name))
  const [fromMs, toMs] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)]
  const digest = createHash('sha256').update(text).digest('hex')
  return {
    certificate: { file, digest, names },
    notAfter: new Date(toMs).toISOString(),
    renewAt: new Date(renewalMoment({ fromMs, toMs })).toISOString(),
  }
}

function readLeaf(text: string): X509Certificate {
  let leaf: X509Certificate
  let isPair: boolean
  try {
    leaf = new X509Certificate(text)
    isPair = leaf.checkPrivateKey(createPrivateKey(text))
  } catch (error) {
    throw new UnusablePem((error as Error).message, { cause: error })
  }
  if (!isPair) throw new UnusablePem('the private key belongs to another certificate')
  return leaf
}

/** Names go into other programs' files, where a space or a bracket would mean something; nobody asks for a name that has one. */
const hostName = /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/

/** The new content is on the disk before the name points to it: a power cut leaves one of the two. */
export async function writePrivately(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const temporary = `${file}.${randomBytes(4).toString('hex')}.new`
  try {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** A wildcard's name would be a bad file name; http-01 gives out none, but files may be for one. */
export const pemName = (domain: string): string => `${domain.replace('*', '_')}.pem`
