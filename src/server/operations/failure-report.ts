/** What is shown of a failure, there where it happened: the probe's answer and the last lines of the log, with no secret in them. */

import type { ServiceName, SlotId } from '../../core/model/id.ts'
import type { HostInspection } from '../../ports/inspection.ts'
import { buildSlot } from '../../core/model/errand-slots.ts'
import type { OutgoingFailure, Redact } from '../redacted.ts'

const lines = 10
const maxBytes = 64 * 1024

export async function reportFailure(
  tools: { readonly host: HostInspection; readonly redact: Redact },
  what: { readonly service: ServiceName; readonly slot: string | null; readonly message: string },
): Promise<OutgoingFailure> {
  const { host, redact } = tools
  const slot = what.slot as SlotId | null
  const log = slot === null ? [] : (await readLines(host, slot)).filter((line) => line !== '')
  const probe = slot === null ? null : (host.inspect(slot)?.lastProbe ?? null)
  return {
    service: what.service,
    // What is built is no instance: a person knows the service.
    slot: what.slot === buildSlot ? null : what.slot,
    message: redact(what.message),
    probe: probe === null ? null : redact(probe),
    log: log.slice(-lines).map((line) => redact(line)),
  }
}

/** A log that cannot be read is no reason to go on with what has failed: the report says so in its place. */
async function readLines(host: HostInspection, slot: SlotId): Promise<readonly string[]> {
  try {
    const { entries, open } = await host.readLog(slot, { lines }, maxBytes)
    return [...entries, ...(open === null ? [] : [open])].map(({ text }) => text)
  } catch (error) {
    return [`(its log cannot be read: ${error instanceof Error ? error.message : String(error)})`]
  }
}
