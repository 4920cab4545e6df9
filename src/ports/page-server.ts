/**
 * Shows the page (and the reading half of the API behind it) to browsers on this machine. The contract: nobody without the token learns
 * anything but the page's own files, no other site can ask in a visitor's name, and nothing can be changed through it.
 */

export interface PageServer {
  /** Listens on 127.0.0.1, on any free port for null. Rejects with `E_PAGE_PORT` where the port cannot be had, `E_PAGE_MISSING` without a page. */
  open(options: {
    readonly port: number | null
    readonly token: string
    /** Called for each request with the right token. */
    readonly onUse: () => void
  }): Promise<OpenPage>
}

export interface OpenPage {
  readonly port: number
  /** Whether a stream is open at this moment. */
  isWatched(): boolean
  /** Ends every connection. */
  close(): Promise<void>
}
