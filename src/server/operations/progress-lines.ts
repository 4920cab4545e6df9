/** What is said of an operation's progress, service by service: each sentence once, and at the end how long nobody was there. */

import type { ServiceName, SlotId } from '../../core/model/id.ts'
import { parseSlotId } from '../../core/model/id.ts'
import type { Redact } from '../redacted.ts'
import { maxLines, say, type Watched } from './watched-operation.ts'

export class ProgressLines {
  readonly #redact: Redact
  readonly #said = new Map<ServiceName, string>()
  readonly #gapMs = new Map<ServiceName, number>()

  constructor(redact: Redact) {
    this.#redact = redact
  }

  /** Another operation begins. */
  forget(): void {
    this.#said.clear()
    this.#gapMs.clear()
  }

  /** The way back begins: its sentences may be those of the way there. */
  forgetLines(): void {
    this.#said.clear()
  }

  noteGap(watched: Watched, slot: SlotId, gapMs: number): void {
    const { service } = parseSlotId(slot)
    this.#gapMs.set(service, Math.max(gapMs, this.#gapMs.get(service) ?? 0))
    say(watched, { kind: 'progress', service, slot, message: this.#redact(`gap ${gapMs} ms`), ready: 0, wanted: 0 })
  }

  /** `verdict` is null when it is done. */
  say(
    watched: Watched,
    name: ServiceName,
    message: string,
    verdict: { readonly ready: number; readonly wanted: number } | null,
  ): void {
    if (this.#said.get(name) === message) return
    if (verdict === null && this.#said.get(name) === undefined && watched.lines.length > maxLines) return
    this.#said.set(name, message)
    const { ready, wanted } = verdict ?? { ready: 0, wanted: 0 }
    say(watched, { kind: 'progress', service: name, slot: null, message: this.#redact(message), ready, wanted })
  }

  sayDone(watched: Watched, name: ServiceName, hasLeft: boolean): void {
    const { state, base } = watched.record
    const gapMs = this.#gapMs.get(name)
    const gap = gapMs === undefined ? '' : `, gap ${gapMs} ms`
    this.say(watched, name, hasLeft ? 'ended' : `${state === 'rolling-back' ? `back on revision ${base}` : 'done'}${gap}`, null)
  }
}
