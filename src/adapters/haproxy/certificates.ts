/**
 * The certificates' way into HAProxy: each is read once, checked (chain, key, time), copied below our directory under a name made
 * of where it comes from and whom it is for, and from there given to the process. What is applied is known by a map of digests.
 */

import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Certificate } from '../../core/balance/table.ts'
import { selfSigned } from '../../system/self-signed.ts'
import { writeAtomically } from './atomic.ts'
import type { Command } from './conversation.ts'
import type { Step } from './converge.ts'
import { unusableCertificate } from './errors.ts'
import { files } from './names.ts'
import { crtListLine, type LocalCertificate } from './render.ts'

export interface HeldCertificate extends LocalCertificate {
  readonly pem: string
}

/**
 * The first is what is shown to who asks for no name that we have. HAProxy cannot change which one that is while it runs, so it is a
 * copy with a file of its own. Rejects with `E_BALANCER_CONFIG` where one cannot be used.
 */
export async function readCertificates(
  certificates: readonly Certificate[],
  directory: string,
): Promise<readonly HeldCertificate[]> {
  const held = await Promise.all(certificates.map(readCertificate))
  const first = held[0] ?? (await placeholder(directory))
  return [{ ...first, file: join(files.certificates, 'default.pem'), names: [] }, ...held]
}

async function readCertificate(certificate: Certificate): Promise<HeldCertificate> {
  const pem = await readFile(certificate.file, 'utf8').catch((error: unknown) => {
    throw unusableCertificate(certificate.file, (error as Error).message)
  })
  const problem = findProblem(pem)
  if (problem !== null) throw unusableCertificate(certificate.file, problem)
  const identity = createHash('sha256')
    .update([certificate.file, ...certificate.names].join('\n'))
    .digest('hex')
    .slice(0, 16)
  return { file: join(files.certificates, `${identity}.pem`), digest: certificate.digest, names: certificate.names, pem }
}

function findProblem(pem: string): string | null {
  try {
    const leaf = new X509Certificate(pem)
    if (!leaf.checkPrivateKey(createPrivateKey(pem))) return 'its private key belongs to another certificate'
    return null
  } catch (error) {
    return (error as Error).message
  }
}

/** What listeners with TLS show while there is no certificate at all; made once and kept. */
async function placeholder(directory: string): Promise<HeldCertificate> {
  const path = join(directory, 'placeholder.pem')
  let pem = await readFile(path, 'utf8').catch(() => '')
  if (pem === '' || findProblem(pem) !== null || Date.parse(new X509Certificate(pem).validTo) < Date.now()) {
    pem = selfSigned(['localhost'], Date.now())
    await writeAtomically(path, pem, 0o600)
  }
  return { file: '', digest: createHash('sha256').update(pem).digest('hex').slice(0, 16), names: [], pem }
}

/** New ones first, changed ones at once, and what nobody wants any more last: no handshake finds none. */
export function certificateSteps(
  wanted: readonly HeldCertificate[],
  present: { readonly files: readonly string[]; readonly digests: ReadonlyMap<string, string> },
): readonly Step[] {
  const steps: Step[] = []
  const step = (command: Command, expected: RegExp): number => steps.push({ command, expected })
  for (const certificate of wanted) {
    const { file, digest, pem } = certificate
    const isListed = present.files.includes(file)
    if (isListed && present.digests.get(file) === digest) continue
    // One that is there already, from an attempt that came half way, is as good.
    if (!isListed) step(`new ssl cert ${file}`, /New empty certificate store|already exists/)
    step({ line: `set ssl cert ${file}`, payload: pem }, /Transaction (?:created|updated) for certificate/)
    step(`commit ssl cert ${file}`, /Success!/)
    if (!isListed) step({ line: `add ssl crt-list ${files.crtList}`, payload: crtListLine(certificate) }, /Success!/)
  }
  for (const file of present.files) {
    if (wanted.some((certificate) => certificate.file === file)) continue
    step(`del ssl crt-list ${files.crtList} ${file}`, /deleted in crtlist/)
    // Connections may still use it; the store then stays until the process ends, and nobody is shown it.
    step(`del ssl cert ${file}`, /.*/s)
  }
  return steps
}
