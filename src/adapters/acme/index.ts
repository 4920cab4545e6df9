/**
 * The daemon's side of ACME. The library is larger than the daemon itself, so each order is a process of its own that lives as long
 * as the order: it is given the job on its standard input, and says there what must be answered. When the daemon dies the input ends,
 * and the process with it; what it has written lets the next one go on with the same order.
 */

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { CertificateKeeper, Challenge, OrderFailure, StoredCertificate } from '../../ports/traffic/certificates.ts'
import { DarumaError } from '../../ports/error.ts'
import { answered, type Job, type Report } from './messages.ts'
import { inspectPem, pemName, readPemFile, writePrivately } from './pem-files.ts'

export interface CertificateKeeperOptions {
  readonly stateDirectory: string
  /** The program that runs `entry`. */
  readonly node: string
  /** The process's file; `main/acme` of this installation when nothing is said. */
  readonly entry?: string
}

/** A server that validates slowly takes minutes; one that takes longer is asked again later. */
const orderLimitMs = 10 * 60_000

class OrderError extends DarumaError implements OrderFailure {
  readonly retryAfterMs: number | null
  constructor(domain: string, message: string, retryAfterMs: number | null) {
    super('E_CERTIFICATE_ORDER', `No certificate for ${domain}: ${message}`, {
      hint: `The ACME server must reach http://${domain}/ on port 80 of this machine.`,
    })
    this.retryAfterMs = retryAfterMs
  }
}

export function createCertificateKeeper(options: CertificateKeeperOptions): CertificateKeeper {
  const folder = join(options.stateDirectory, 'certificates')
  const entry = options.entry ?? defaultEntry()
  const underWay = new Map<string, () => void>()
  return {
    list: () => list(folder),
    join: (files) => joinFiles(folder, files),
    async order(order, answer) {
      if (underWay.has(order.domain)) throw busy(order.domain)
      const ending = new AbortController()
      underWay.set(order.domain, () => ending.abort())
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        await runOrder({ node: options.node, entry, job: { ...order, folder } }, answer, ending.signal)
      } finally {
        underWay.delete(order.domain)
      }
      const stored = await readPemFile(join(folder, pemName(order.domain)))
      if (stored === null) throw new OrderError(order.domain, 'it was fetched and is not there', null)
      return stored
    },
    close: () => {
      for (const end of underWay.values()) end()
    },
  }
}

function defaultEntry(): string {
  // Run from the sources, the sources are run; installed, what was compiled from them.
  const extension = import.meta.filename.endsWith('.ts') ? 'ts' : 'js'
  return fileURLToPath(new URL(`../../main/acme.${extension}`, import.meta.url))
}

const busy = (domain: string): DarumaError =>
  new DarumaError('E_CERTIFICATE_BUSY', `A certificate for ${domain} is being fetched already.`)

async function runOrder(
  program: { readonly node: string; readonly entry: string; readonly job: Job },
  answer: (challenge: Challenge) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { node, entry, job } = program
  const child = spawn(node, [entry], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...(job.caFile === null ? {} : { NODE_EXTRA_CA_CERTS: job.caFile }) },
    signal: AbortSignal.any([signal, AbortSignal.timeout(orderLimitMs)]),
    killSignal: 'SIGKILL',
  })
  let failure: Error | null = null
  let complaint = ''
  let outcome: Report | null = null
  child.on('error', (error) => (failure = error))
  child.stdin.on('error', () => undefined)
  child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString('utf8')).slice(-2000)))
  const closed = new Promise<void>((resolve) => void child.once('close', () => resolve()))
  child.stdin.write(`${JSON.stringify(job)}\n`)
  for await (const line of createInterface({ input: child.stdout })) {
    const report = JSON.parse(line) as Report
    if (report.kind !== 'challenge') outcome = report
    // Not waited for: the process may end first.
    else
      answer(report).then(
        () => child.stdin.write(answered),
        (error: unknown) => {
          failure = error as Error
          child.stdin.end()
        },
      )
  }
  await closed
  const said = outcome as Report | null
  if (said?.kind === 'done') return
  if (said?.kind === 'busy') throw busy(job.domain)
  if (said?.kind === 'failed') throw new OrderError(job.domain, said.message, said.retryAfterMs)
  throw new OrderError(job.domain, (failure as Error | null)?.message ?? `the ordering process ended: ${complaint.trim()}`, null)
}

/** Files that cannot be used are as good as none: a new one is fetched in their place. */
async function list(folder: string): Promise<ReadonlyMap<string, StoredCertificate>> {
  const found = new Map<string, StoredCertificate>()
  const names = await readdir(folder).catch(() => [])
  for (const name of names.filter((each) => each.endsWith('.pem') && !each.startsWith(joinedPrefix))) {
    const stored = await readPemFile(join(folder, name)).catch(() => null)
    if (stored !== null) found.set(name.slice(0, -'.pem'.length).replace(/^_/, '*'), stored)
  }
  return found
}

/** No domain's name has a colon. */
const joinedPrefix = 'files:'

async function joinFiles(
  folder: string,
  files: { readonly certificate: string; readonly key: string },
): Promise<StoredCertificate> {
  const identity = createHash('sha256').update(`${files.certificate}\n${files.key}`).digest('hex').slice(0, 16)
  const file = join(folder, `${joinedPrefix}${identity}.pem`)
  try {
    const parts = [files.certificate, ...(files.key === files.certificate ? [] : [files.key])]
    const texts = await Promise.all(parts.map((part) => readFile(part, 'utf8')))
    const text = texts.map((each) => (each.endsWith('\n') ? each : `${each}\n`)).join('')
    const stored = inspectPem(file, text)
    if ((await readFile(file, 'utf8').catch(() => null)) !== text) await writePrivately(file, text)
    return stored
  } catch (cause) {
    const message = `The certificate ${files.certificate} with the key ${files.key} cannot be used: ${(cause as Error).message}`
    throw new DarumaError('E_CERTIFICATE_FILES', message, { hint: 'Both must be PEM, and belong together.', cause })
  }
}
