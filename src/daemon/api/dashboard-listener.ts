/**
 * When the page is served: from the first `daruma ui` until nobody has looked for a while. It is remembered in a file of the state
 * directory, so that a daemon that restarts opens the same port with the same token, and the tabs that are open find it again.
 */

import type { Clock, Timer } from '../../ports/clock.ts'
import type { Log } from '../../ports/log.ts'
import type { OpenPage, PageServer } from '../../ports/page-server.ts'
import type { Random } from '../../ports/random.ts'
import type { StateDirectory } from '../../ports/storage/state-directory.ts'
import type { PageAnswer, PageRequest } from '../../protocol/api.ts'

/** Longer than the coffee of somebody who has closed the lid; short enough that no forgotten door stays open over night. */
const idleLimitMs = 15 * 60_000
const lookEveryMs = 60_000
const tokenBytes = 32
const fileName = 'page.json'

interface Remembered {
  readonly port: number
  readonly token: string
  /** A door does not outlive the machine's boot: tabs do not either. */
  readonly boot: string
}

export interface DashboardListenerTools {
  readonly server: PageServer
  readonly directory: Pick<StateDirectory, 'readFile' | 'writeFile' | 'bootId'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export class DashboardListener {
  readonly #tools: DashboardListenerTools
  #open: { readonly page: OpenPage; readonly token: string } | null = null
  #usedAtMs = 0
  #timer: Timer | null = null
  /** Asks are answered one after the other: two commands at once share one door. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(tools: DashboardListenerTools) {
    this.#tools = tools
  }

  /**
   * Opens the page, or tells where it is open. Another port than the present one moves it there, with the same token. The link leads to
   * `project`, or to all of them.
   */
  ask({ port }: PageRequest, project: string | null = null): Promise<PageAnswer> {
    return this.#inTurn(async () => {
      const isRight = this.#open !== null && (port === null || port === this.#open.page.port)
      if (!isRight) await this.#enter(port, this.#open?.token ?? this.#tools.random.hex(tokenBytes))
      const { page, token } = this.#open ?? unreachable()
      this.#note()
      const query = project === null ? '' : `?project=${encodeURIComponent(project)}`
      return { port: page.port, token, url: `http://127.0.0.1:${page.port}/${query}#token=${token}`, idleLimitMs }
    })
  }

  /** Opens again what was open when the last daemon ended, in this boot. Failing is no trouble: the next `daruma ui` opens another. */
  resume(): Promise<void> {
    return this.#inTurn(async () => {
      try {
        const remembered = JSON.parse((await this.#tools.directory.readFile(fileName)) ?? 'null') as Remembered | null
        if (remembered === null || remembered.boot !== this.#tools.directory.bootId) return
        await this.#enter(remembered.port, remembered.token)
      } catch (error) {
        this.#tools.log.write('warn', `the page is no longer open: ${String(error)}`)
        await this.#forget()
      }
    })
  }

  /** With the daemon: what is remembered stays. */
  async close(): Promise<void> {
    this.#timer?.cancel()
    await this.#inTurn(async () => {
      await this.#open?.page.close()
      this.#open = null
    })
  }

  async #enter(port: number | null, token: string): Promise<void> {
    const page = await this.#tools.server.open({ port, token, onUse: () => this.#note() })
    const before = this.#open
    this.#open = { page, token }
    this.#note()
    await before?.page.close()
    const remembered: Remembered = { port: page.port, token, boot: this.#tools.directory.bootId }
    // A full disk costs only the finding again.
    await this.#tools.directory.writeFile(fileName, `${JSON.stringify(remembered)}\n`).catch(() => {})
    this.#watch()
  }

  #note(): void {
    this.#usedAtMs = this.#tools.clock.now()
  }

  #watch(): void {
    this.#timer?.cancel()
    this.#timer = this.#tools.clock.after(lookEveryMs, () => void this.#inTurn(() => this.#look()))
  }

  async #look(): Promise<void> {
    if (this.#open === null) return
    const isIdle = !this.#open.page.isWatched() && this.#tools.clock.now() - this.#usedAtMs >= idleLimitMs
    if (!isIdle) return this.#watch()
    const { page } = this.#open
    this.#open = null
    await page.close()
    await this.#forget()
  }

  async #forget(): Promise<void> {
    await this.#tools.directory.writeFile(fileName, 'null\n').catch(() => {})
  }

  #inTurn<Result>(act: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(act)
    this.#turn = result.catch(() => {})
    return result
  }
}

function unreachable(): never {
  throw new Error('the door is open here')
}
