/** The engine tells of each layer dozens of times a second; a person wants one sentence now and then. */

/** One line of a pull, a load or a build. */
export interface Progress {
  readonly id?: string
  readonly status?: string
  readonly stream?: string
  readonly error?: string
  readonly progressDetail?: { readonly current?: number; readonly total?: number }
}

const betweenMs = 400

export class ProgressReporter {
  readonly #report: (message: string) => void
  readonly #layers = new Map<string, { readonly current: number; readonly total: number }>()
  #saidAt = Number.NEGATIVE_INFINITY
  #said = ''

  constructor(report: (message: string) => void) {
    this.#report = report
  }

  say(message: string): void {
    if (message === this.#said) return
    this.#said = message
    this.#saidAt = performance.now()
    this.#report(message)
  }

  take({ id, status = '', stream = '', progressDetail = {} }: Progress): void {
    const { current, total } = progressDetail
    // Unpacking counts the same bytes a second time.
    if (id !== undefined && current !== undefined && total !== undefined && total > 0 && status === 'Downloading')
      this.#layers.set(id, { current, total })
    const message = stream.trim() === '' ? this.#describeLayers(status) : stream.trim().split('\n')[0]?.slice(0, 120)
    if (message === null || message === undefined || performance.now() - this.#saidAt < betweenMs) return
    this.say(message)
  }

  #describeLayers(status: string): string | null {
    if (this.#layers.size === 0) return null
    let [current, total] = [0, 0]
    for (const layer of this.#layers.values()) {
      current += layer.current
      total += layer.total
    }
    const verb = status === 'Extracting' ? 'unpacking' : 'pulling'
    return verb === 'unpacking'
      ? `unpacking ${inMegabytes(total)} MB`
      : `pulling, ${inMegabytes(current)} of ${inMegabytes(total)} MB`
  }
}

const inMegabytes = (bytes: number): string => (bytes < 1e7 ? (bytes / 1e6).toFixed(1) : (bytes / 1e6).toFixed(0))
