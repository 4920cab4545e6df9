/**
 * One side's end of an exchange: it keeps its own picture, follows the other's, and decides when to send. All that changes in one turn of the
 * loop goes in one message. What the other side has not said that it has is sent again every second, and asks for an answer; what the other
 * side has already said asks for none, so that two ends at rest are silent.
 */

import type { Clock, Timer } from '../../ports/clock.ts'
import type { ExchangeMessage, Link, Seen } from '../../ports/exchange.ts'
import { FollowedPicture, OwnPicture } from './picture.ts'
import type { Taken } from './picture.ts'

/** Far above any time that a message takes; between hosts one that was lost is noticed by then. */
const repeatMs = 1000

type Message<Entry> = ExchangeMessage<Entry>

export interface EndpointOptions<OwnEntry, OtherEntry, Out extends Message<OwnEntry>, In extends Message<OtherEntry>> {
  /** Greater than that of every earlier life of this side. */
  readonly life: number
  readonly clock: Clock
  readonly link: Link<Out, In>
  /** What goes beside the picture. */
  readonly complete: (message: Message<OwnEntry>) => Out
  /** Called for each message; `taken` is null where its picture was not. Returns whether it holds anything else that wants an answer. */
  readonly onMessage: (message: In, taken: Taken | null) => boolean
}

export class Endpoint<OwnEntry, OtherEntry, Out extends Message<OwnEntry>, In extends Message<OtherEntry>> {
  readonly #options: EndpointOptions<OwnEntry, OtherEntry, Out, In>
  readonly own: OwnPicture<OwnEntry>
  readonly other: FollowedPicture<OtherEntry> = new FollowedPicture()
  /** What the other side has said that it has. */
  #confirmed: Seen | null = null
  #isOpen = false
  #isScheduled = false
  #timer: Timer | null = null

  constructor(options: EndpointOptions<OwnEntry, OtherEntry, Out, In>) {
    this.#options = options
    this.own = new OwnPicture(options.life)
  }

  /** Until now nothing was sent or taken: a picture in the making would say that what is not yet in it is not there. */
  open(): void {
    this.#isOpen = true
    this.#options.link.receive((message) => this.#take(message))
    this.sendSoon()
  }

  close(): void {
    this.#isOpen = false
    this.#timer?.cancel()
    this.#options.link.receive(() => {})
  }

  set(key: string, entry: OwnEntry): void {
    const { version } = this.own
    this.own.set(key, entry)
    if (this.own.version !== version) this.sendSoon()
  }

  remove(key: string): void {
    const { version } = this.own
    this.own.remove(key)
    if (this.own.version !== version) this.sendSoon()
  }

  /** Whether the other side has the picture as it is now. */
  get isConfirmed(): boolean {
    return this.#confirmed?.life === this.#options.life && this.#confirmed.version === this.own.version
  }

  /** Something beside the picture wants to be sent. */
  sendSoon(): void {
    if (!this.#isOpen || this.#isScheduled) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#send()
    })
  }

  #send(): void {
    if (!this.#isOpen) return
    const { link, complete, clock } = this.#options
    link.send(
      complete({
        picture: this.own.messageFor(this.#confirmed),
        seen: this.other.seen,
        wantsAnswer: !this.isConfirmed,
      }),
    )
    this.#timer?.cancel()
    this.#timer = this.isConfirmed ? null : clock.after(repeatMs, () => this.#send())
  }

  #take(message: In): void {
    if (!this.#isOpen) return
    const taken = this.other.take(message.picture)
    this.#confirm(message.seen)
    const wantsAnswer = this.#options.onMessage(message, taken)
    // What could not be taken gets no answer: two ends that refuse each other would answer forever. The repetition heals it.
    if (taken === null) return
    if (message.wantsAnswer || wantsAnswer || message.seen === null) this.sendSoon()
  }

  /** Of a message that was overtaken: what it confirms is less than what is known. Another life of the other side has nothing of ours. */
  #confirm(seen: Seen | null): void {
    const confirmed = this.#confirmed
    if (seen === null) this.#confirmed = null
    else if (seen.life !== this.#options.life) return
    else if (confirmed === null || seen.version > confirmed.version) this.#confirmed = seen
    if (!this.isConfirmed) return
    this.#timer?.cancel()
    this.#timer = null
  }
}
