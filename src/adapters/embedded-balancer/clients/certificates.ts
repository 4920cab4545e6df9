/** The certificates of the table as TLS contexts, chosen by the name that the client asks for. A changed file is read again; a broken one is not used. */

import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Certificate } from '../../../core/balance/table.ts'

interface Loaded {
  readonly digest: string
  readonly context: SecureContext
}

export class Certificates {
  readonly #loaded = new Map<string, Loaded>()
  #byName: ReadonlyMap<string, SecureContext> = new Map()
  #first: SecureContext | null = null
  readonly #readPem: (certificate: Certificate) => string

  constructor(readPem: (certificate: Certificate) => string) {
    this.#readPem = readPem
  }

  /** Returns what could not be used, each with why: what was loaded for that file before is used on. */
  apply(certificates: readonly Certificate[]): readonly string[] {
    const problems: string[] = []
    const byName = new Map<string, SecureContext>()
    this.#first = null
    for (const certificate of certificates) {
      const { file, digest, names } = certificate
      try {
        if (this.#loaded.get(file)?.digest !== digest)
          this.#loaded.set(file, { digest, context: loadContext(this.#readPem(certificate)) })
      } catch (error) {
        problems.push(`${file}: ${(error as Error).message}`)
      }
      const context = this.#loaded.get(file)?.context
      if (context === undefined) continue
      this.#first ??= context
      for (const name of names) if (!byName.has(name)) byName.set(name, context)
    }
    for (const file of this.#loaded.keys()) if (!certificates.some((each) => each.file === file)) this.#loaded.delete(file)
    this.#byName = byName
    return problems
  }

  /** For the name; else for its wildcard; else the first there is. */
  find(name: string): SecureContext | null {
    const lower = name.toLowerCase()
    const dot = lower.indexOf('.')
    return this.#byName.get(lower) ?? (dot < 0 ? undefined : this.#byName.get(`*${lower.slice(dot)}`)) ?? this.#first
  }
}

export const readPemFile = ({ file }: Certificate): string => readFileSync(file, 'utf8')

/** Throws where the chain and the key do not belong together, or are none. */
export const loadContext = (pem: string): SecureContext => createSecureContext({ cert: pem, key: pem })
