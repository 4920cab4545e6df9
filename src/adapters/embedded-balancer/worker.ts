/**
 * The part that reads strangers' bytes, as a user who owns nothing. It has loaded all that it needs before it gives its privileges up,
 * since its own program may lie where only root may read; what it needs later (sockets, certificates) the parent sends.
 */

import type { Server, Socket } from 'node:net'
import type { Certificate, RoutingTable } from '../../core/balance/table.ts'
import { Balancing } from './balancing.ts'
import { backlog, type Listen } from './clients/listen.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import { emptyTable } from './table-file.ts'
import { becomeUnprivileged, unprivilegedId } from './unprivileged-user.ts'
import { warmUp } from './warm-up.ts'

/** Resolves when it was asked to end and has finished what it had, or its parent is gone. */
export async function runWorker(endMs: number): Promise<void> {
  const ports = new Map<number, (received: Server | null, code: string | null) => void>()
  const pems = new Map<string, string>()
  let asked = 0
  const listen: Listen = (server, port, address) =>
    new Promise((resolve) => {
      const id = (asked += 1)
      ports.set(id, (received, code) => {
        if (received === null) return resolve(code ?? 'EBADF')
        server.on('error', () => undefined)
        server.listen(received, backlog, () => resolve(null))
      })
      send({ kind: 'listen', id, port, address })
    })
  const readPem = ({ file }: Certificate): string => {
    const pem = pems.get(file)
    if (pem === undefined) throw new Error('it was not sent')
    return pem
  }
  const balancing = new Balancing(emptyTable, { write: (text) => void process.stdout.write(text), listen, readPem })
  const ended = new Promise<void>((resolve) => {
    process.once('disconnect', () => process.exit(1))
    process.on('message', (message: ToWorker, handle: unknown) => {
      if (message.kind === 'end') resolve()
      else if (message.kind === 'port') {
        const open = ports.get(message.id)
        ports.delete(message.id)
        open?.((handle as Server | undefined) ?? null, message.code)
      } else if (message.kind === 'connection') balancing.meet(message.port, handle as Socket)
      else if (message.kind === 'look') send({ kind: 'counters', id: message.id, counters: balancing.look() })
      else apply(message)
    })
  })
  await warmUp().catch((error: unknown) => {
    process.stderr.write(`balancer: not warm: ${String(error)}\n`)
  })
  becomeUnprivileged(unprivilegedId())
  process.chdir('/')
  // Its end is its parent's to say; a signal to the whole group is meant for the parent.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => undefined)
  send({ kind: 'ready' })
  await ended
  await balancing.end(endMs)

  function apply({ id, table, pems: sent }: Extract<ToWorker, { readonly kind: 'apply' }>): void {
    for (const [file, pem] of Object.entries(sent)) pems.set(file, pem)
    forgetOthers(table)
    balancing.apply(table).then(
      (shortfall) => send({ kind: 'applied', id, shortfall }),
      (error: unknown) => send({ kind: 'failed', id, problem: (error as Error).message }),
    )
  }

  function forgetOthers({ certificates }: RoutingTable): void {
    const wanted = new Set(certificates.map(({ file }) => file))
    for (const file of pems.keys()) if (!wanted.has(file)) pems.delete(file)
  }
}

function send(message: FromWorker): void {
  process.send?.(message)
}
