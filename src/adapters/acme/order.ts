/**
 * One order, in a process of its own (RFC 8555, 7.4). Everything that the server counts is written down before it is used: the account's
 * key, the order's URL, the certificate's key. So anything that comes after a crash goes on with the same order.
 */

import acme from 'acme-client'
import { link, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createHash } from 'node:crypto'
import { answered, type Job, type Report } from './messages.ts'
import { inspectPem, pemName, UnusablePem, writePrivately } from './pem-files.ts'

const say = (report: Report): boolean => process.stdout.write(`${JSON.stringify(report)}\n`)

/** Reads the job from standard input; its end, which is the daemon's end too, must end this process at once. */
export async function runOrderProcess(end: () => void): Promise<void> {
  const lines = createInterface({ input: process.stdin })
  const waiting: (() => void)[] = []
  const job = await new Promise<Job>((resolve) => {
    lines.once('line', (line) => {
      lines.on('line', (next) => `${next}\n` === answered && waiting.shift()?.())
      resolve(JSON.parse(line) as Job)
    })
    lines.once('close', end)
  })
  await using lock = await lockDomain(job)
  if (lock === null) {
    say({ kind: 'busy' })
    return
  }
  const retryAfter = noteRetryAfter()
  try {
    await fetchCertificate(job, (challenge) => {
      say({ kind: 'challenge', ...challenge })
      return new Promise((resolve) => waiting.push(resolve))
    })
    say({ kind: 'done' })
  } catch (error) {
    say({ kind: 'failed', message: (error as Error).message, retryAfterMs: retryAfter() })
  }
}

async function fetchCertificate(
  job: Job,
  answer: (challenge: { readonly token: string; readonly keyAuthorization: string }) => Promise<void>,
): Promise<void> {
  const path = (name: string): string => join(job.folder, name)
  const client = new acme.Client({
    directoryUrl: job.directory,
    accountKey: await keepKey(path(accountFile(job.directory))),
    // Half a minute for a validation; the server's own time-outs are shorter.
    backoffAttempts: 12,
    backoffMin: 250,
    backoffMax: 5000,
  })
  await client.createAccount({
    termsOfServiceAgreed: true,
    ...(job.email === null ? {} : { contact: [`mailto:${job.email}`] }),
  })
  const orderFile = path(`${job.domain}.order`)
  const keyFile = path(`${job.domain}.key`)
  const key = await keepKey(keyFile)
  let order = await takeUp(client, orderFile, job)
  if (order.status === 'pending') {
    for (const authorization of await client.getAuthorizations(order)) {
      if (authorization.status === 'valid') continue
      const challenge = authorization.challenges.find(({ type }) => type === 'http-01')
      if (challenge === undefined) throw new Error('the server offers no http-01 challenge')
      await answer({ token: challenge.token, keyAuthorization: await client.getChallengeKeyAuthorization(challenge) })
      // Else an earlier process has said so, and the server is looking.
      if (challenge.status === 'pending') await client.completeChallenge(challenge)
      await client.waitForValidStatus(challenge)
    }
    order = await client.getOrder(order)
  }
  if (order.status === 'ready') {
    const [, request] = await acme.crypto.createCsr({ altNames: [job.domain] }, key)
    order = await client.finalizeOrder(order, request)
  }
  const chain = await client.getCertificate(order)
  const text = `${chain.trim()}\n${key.trim()}\n`
  try {
    inspectPem(job.domain, text)
    await writePrivately(path(pemName(job.domain)), text)
  } catch (error) {
    // An order whose key was lost is good for nothing any more: taken up again, it would end here each time.
    if (error instanceof UnusablePem) await forget()
    throw error
  }
  await forget()

  async function forget(): Promise<void> {
    await rm(orderFile, { force: true })
    await rm(keyFile, { force: true })
  }
}

/** Another server is another account. */
const accountFile = (directory: string): string =>
  `account-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}.key`

async function keepKey(file: string): Promise<string> {
  const kept = await readFile(file, 'utf8').catch(() => null)
  if (kept !== null) return kept
  const key = (await acme.crypto.createPrivateEcdsaKey()).toString()
  await writePrivately(file, key)
  return key
}

/** The order that an earlier process made, if it can still become a certificate; else a new one. */
async function takeUp(client: acme.Client, file: string, job: Job): Promise<acme.Order> {
  const kept = await readFile(file, 'utf8').catch(() => '')
  const [directory, url] = kept.split('\n')
  if (directory === job.directory && url !== undefined && url !== '') {
    const order = await client.getOrder({ url } as acme.Order).catch(() => null)
    if (order !== null && order.status !== 'invalid') return order
  }
  const order = await client.createOrder({ identifiers: [{ type: 'dns', value: job.domain }] })
  await writePrivately(file, `${job.directory}\n${order.url}\n`)
  return order
}

/** The library would wait and try again by itself, for hours; the daemon has better to do, and says so in its events. */
function noteRetryAfter(): () => number | null {
  let lastMs: number | null = null
  const settings = acme.axios.defaults as unknown as { acmeSettings: { retryMaxAttempts: number } }
  settings.acmeSettings.retryMaxAttempts = 0
  acme.axios.interceptors.response.use((response) => {
    const header = response.status >= 400 ? (response.headers['retry-after'] as string | undefined) : undefined
    if (header !== undefined) lastMs = /^\d+$/.test(header) ? Number(header) * 1000 : Math.max(0, Date.parse(header) - Date.now())
    return response
  })
  return () => lastMs
}

/**
 * Of two processes, one of a daemon that has just died, only one may order. The file names its holder by pid and start time, so that
 * one that was killed holds nothing.
 */
async function lockDomain(job: Job): Promise<AsyncDisposable | null> {
  const file = join(job.folder, `${job.domain}.lock`)
  const own = `${file}.${process.pid}`
  // A name for what is whole already: nobody ever reads half a holder.
  await writePrivately(own, `${process.pid} ${await startOf(process.pid)}`)
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      await link(own, file)
      await rm(own, { force: true })
      return { [Symbol.asyncDispose]: () => rm(file, { force: true }) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const [pid = '', start = ''] = (await readFile(file, 'utf8').catch(() => '')).split(' ')
      if ((await startOf(Number(pid))) === start) break
      await rm(file, { force: true })
    }
  }
  await rm(own, { force: true })
  return null
}

/** Field 22 of /proc/PID/stat; empty for nobody. */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
