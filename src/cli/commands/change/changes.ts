/** The changes of watched folders and files, as something to wait for. What comes while nothing waits is given to the next wait. */

import type { SourceWatchOptions } from '../../../ports/runtime/source.ts'
import type { Tools } from '../../tools.ts'

export type Watched = Pick<SourceWatchOptions, 'folders' | 'files'>

export class Changes {
  readonly #tools: Pick<Tools, 'watchSources'>
  readonly #options: Pick<SourceWatchOptions, 'except' | 'onLimit'>
  #watched = ''
  #watching: Disposable | null = null
  #paths = new Set<string>()
  #wake: () => void = () => {}

  constructor(tools: Pick<Tools, 'watchSources'>, options: Pick<SourceWatchOptions, 'except' | 'onLimit'>) {
    this.#tools = tools
    this.#options = options
  }

  /** From now on these: the new watch begins before the old one ends. */
  async watch(watched: Watched): Promise<void> {
    const key = JSON.stringify(watched)
    if (key === this.#watched) return
    this.#watched = key
    const before = this.#watching
    this.#watching = await this.#tools.watchSources({
      ...this.#options,
      ...watched,
      onChange: (paths) => {
        for (const path of paths) this.#paths.add(path)
        this.#wake()
      },
    })
    before?.[Symbol.dispose]()
  }

  /** Resolves with what has changed; with nothing once the signal is given. */
  async next(signal: AbortSignal): Promise<readonly string[]> {
    if (this.#paths.size === 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener('abort', wake)
          resolve()
        }
        this.#wake = wake
        signal.addEventListener('abort', wake)
      })
    }
    const paths = [...this.#paths]
    this.#paths = new Set()
    return paths
  }

  close(): void {
    this.#watching?.[Symbol.dispose]()
  }
}
