/**
 * Finds out a log stream that has lost the thread: Docker before 23 may go on following a file that it has just replaced, and then
 * says nothing any more, forever. A stream that falls silent is compared with the last entry that there is, which an engine finds at the
 * end of its file: soon after its beginning, and after as much as may have filled a good part of that file; else seldom,
 * so that many containers that now and then say a word cost nothing.
 */

const soonMs = 1000
const lateMs = 300_000
/** A quarter of the smallest file that an engine is given. */
const muchBytes = 64 * 1024

export interface SilenceOptions {
  /** Whether the engine has an entry that the stream has not told. */
  readonly isBehind: () => Promise<boolean>
  readonly onLost: () => void
}

export class SilenceWatch implements Disposable {
  readonly #options: SilenceOptions
  #timer: NodeJS.Timeout | null = null
  #isClosed = false
  #heardBytes = muchBytes

  constructor(options: SilenceOptions) {
    this.#options = options
    this.#wait()
  }

  heard(bytes: number): void {
    this.#heardBytes += bytes
    this.#wait()
  }

  [Symbol.dispose](): void {
    this.#isClosed = true
    this.#cancel()
  }

  #wait(): void {
    this.#cancel()
    if (this.#isClosed) return
    this.#timer = setTimeout(() => void this.#compare(), this.#heardBytes >= muchBytes ? soonMs : lateMs).unref()
  }

  #cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  async #compare(): Promise<void> {
    this.#heardBytes = 0
    // An engine that does not answer has other troubles, which are told elsewhere.
    const isBehind = await this.#options.isBehind().catch(() => false)
    if (this.#isClosed) return
    if (isBehind) this.#options.onLost()
    else this.#wait()
  }
}
