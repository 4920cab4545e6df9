/** What the daemon and the ordering process say to each other: JSON, one message a line. The end of either stream ends the order. */

import type { CertificateOrder, Challenge } from '../../ports/traffic/certificates.ts'

/** The first line to the process; each later line says that the challenge asked for last is answered. */
export interface Job extends CertificateOrder {
  /** The folder of account key, orders and certificates. */
  readonly folder: string
}

export const answered: string = '{"answered":true}\n'

export type Report =
  | ({ readonly kind: 'challenge' } & Challenge)
  | { readonly kind: 'done' }
  | { readonly kind: 'busy' }
  | { readonly kind: 'failed'; readonly message: string; readonly retryAfterMs: number | null }
