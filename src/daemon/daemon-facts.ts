/** What a daemon is told about itself and its host, and how it ends. */

export interface DaemonFacts {
  readonly pid: number
  readonly version: string
  readonly host: string
  readonly home: (user: string | null) => string
  readonly nodeDirectory: string
  readonly memoryBytes: () => number
  /** Whether a command brought this daemon up and may do so again: then it leaves when it has nothing to keep. */
  readonly isOnDemand: boolean
}

/** `asked`: end for good. `broken`: another daemon should begin. */
export interface DaemonEnd {
  readonly kind: 'asked' | 'broken'
  readonly message: string
}
