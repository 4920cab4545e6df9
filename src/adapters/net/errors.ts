/** What a failed connection is called in a probe's detail. */

export function explainNetworkError(error: NodeJS.ErrnoException): string {
  return words[error.code ?? ''] ?? error.code ?? error.message
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name could not be looked up',
  EMFILE: 'the daemon has no file descriptor left',
  EADDRNOTAVAIL: 'no local port is left',
}

export const seconds = (durationMs: number): string => `${durationMs / 1000} s`
