/**
 * Certificates in the state directory: fetched by ACME (RFC 8555, http-01), or joined from a user's files. Private keys never pass
 * through here, only files that hold them. The contract:
 *
 * - Every file is the whole chain and the private key as PEM, mode 0600, and replaced at once: a reader finds the old or the new one.
 * - An order that was cut off, by the daemon's death too, is taken up again by the next call, not made again: servers count orders.
 * - At most one order for a domain is under way in a state directory; a second call for it meanwhile rejects with `E_CERTIFICATE_BUSY`.
 */

import type { Certificate } from '../../core/balance/table.ts'

export interface StoredCertificate {
  readonly certificate: Certificate
  /** ISO 8601, UTC, milliseconds, as {@link Clock.wallTime} has it: so they compare as text. When it ends, and when it is time for the next. */
  readonly notAfter: string
  readonly renewAt: string
}

export interface CertificateOrder {
  readonly domain: string
  /** The ACME server's URL. */
  readonly directory: string
  readonly email: string | null
  /** What signs the ACME server's own certificate, where that is nobody the world knows. */
  readonly caFile: string | null
}

/** What must be answered at `http://<domain>/.well-known/acme-challenge/<token>`. */
export interface Challenge {
  readonly token: string
  readonly keyAuthorization: string
}

export interface CertificateKeeper {
  /** The usable ones that were fetched by ACME, by their domain. */
  list(): Promise<ReadonlyMap<string, StoredCertificate>>
  /** Rejects with `E_CERTIFICATE_FILES`: unreadable, no certificate, the key of another one. */
  join(files: { readonly certificate: string; readonly key: string }): Promise<StoredCertificate>
  /**
   * Fetches a certificate. `answer` is called once for each challenge and must resolve when it is answered. Rejects with
   * `E_CERTIFICATE_ORDER`, in the server's words; with {@link OrderFailure.retryAfterMs} where it says when to come again.
   */
  order(order: CertificateOrder, answer: (challenge: Challenge) => Promise<void>): Promise<StoredCertificate>
  /** Ends what is under way; it will be taken up again. */
  close(): void
}

/** What an error of `order` may have besides its code. */
export interface OrderFailure {
  readonly retryAfterMs: number | null
}
