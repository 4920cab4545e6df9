/**
 * The process, from its start to its end (its entry is `main/balancer.ts`). It serves the last table that was written there at once, before anybody speaks to it, and
 * then what comes over the control socket. Under root it is two: a parent that keeps the privileges and reads no stranger's byte, and a
 * worker without any. An exception in one request is told and survived: it is not worth everybody else's connections.
 */

import { serveControl, type Controlled } from './control.ts'
import { readTable } from './table-file.ts'

/** After SIGTERM what is under way may take so long; the daemon has a patience of its own. */
const endMs = 8000
/** Told in full so often; then only counted, so that a log cannot be filled by anything that found a way. */
const reportedExceptions = 100

/** Resolves when it was asked to end and has finished what it had. */
export async function runBalancer(directory: string, role: string | undefined): Promise<void> {
  process.umask(0o077)
  surviveExceptions()
  // Loaded here and not above: neither part has the memory of the other's modules.
  if (role === 'worker') return (await import('./worker.ts')).runWorker(endMs)
  const isRoot = process.geteuid?.() === 0
  const controlled = isRoot ? await (await import('./parent.ts')).startWorker(directory) : await startAlone()
  const { ports, certificates } = await controlled.apply(readTable(directory, report))
  for (const { port, code } of ports) report(`port ${port} cannot be had (${code}); trying again every second`)
  for (const problem of certificates) report(`certificate not used: ${problem}`)
  const control = await serveControl(directory, controlled)
  const asked = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
  await Promise.race([asked, ...(controlled.lost === undefined ? [] : [controlled.lost])])
  control.close()
  await controlled.end(endMs)
}

async function startAlone(): Promise<Controlled> {
  const { Balancing } = await import('./balancing.ts')
  const { emptyTable } = await import('./table-file.ts')
  return new Balancing(emptyTable, { write: (text) => void process.stdout.write(text) })
}

function surviveExceptions(): void {
  let exceptions = 0
  const survive = (error: unknown): void => {
    exceptions += 1
    if (exceptions <= reportedExceptions)
      report(`survived: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  }
  process.on('uncaughtException', survive)
  process.on('unhandledRejection', survive)
}

function report(text: string): void {
  process.stderr.write(`${new Date().toISOString()} balancer: ${text}\n`)
}
