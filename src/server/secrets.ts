/**
 * Secret values, by keyed digest. A revision holds only digests: equal values give equal digests (so a change is seen), and without
 * the state's own key a digest cannot be tried against guesses. The values themselves stay in the database (mode 0600), because a
 * service must come back after a reboot when nobody is there to type them.
 */

import { createHmac } from 'node:crypto'
import { notifyOwner, registryPassword, secretsOfProject, withSecretsOfProject } from '../core/model/secrets-of.ts'
import type { SecretHolders, SecretReferences } from '../core/model/secrets-of.ts'
import type { NotifyTarget, Project, SecretReference, Service } from '../core/model/service.ts'
import { DarumaError } from '../ports/error.ts'
import type { Random } from '../ports/random.ts'
import type { Operation, Store } from '../ports/storage/store.ts'
import type { SecretValues } from '../protocol/api.ts'
import { parseRecord, put, remove } from '../ports/storage/json-records.ts'
import { keys } from './records.ts'
import type { Redacted } from './redacted.ts'

/** Shorter values are left alone when text is redacted: hiding each `1` or `on` would destroy it and protect nothing. */
const minRedactedLength = 5

export class SecretStore {
  readonly #store: Store
  readonly #random: Random
  readonly #values = new Map<string, string>()
  #key: Buffer = Buffer.alloc(0)
  /** What {@link redact} looks for; null when a value has come or gone. */
  #known: readonly string[] | null = null

  constructor(store: Store, random: Random) {
    this.#store = store
    this.#random = random
  }

  async load(): Promise<void> {
    const entry = await this.#store.get(keys.secretKey)
    if (entry === null) {
      const key = this.#random.hex(32)
      await this.#store.transact({ compare: [{ key: keys.secretKey, modified: 0 }], then: [put(keys.secretKey, key)] })
      this.#key = Buffer.from(key, 'hex')
    } else this.#key = Buffer.from(parseRecord<string>(entry), 'hex')
    const { entries } = await this.#store.list('secret/')
    for (const entry of entries) this.#values.set(entry.key.slice('secret/'.length), parseRecord<string>(entry))
    this.#known = null
  }

  /**
   * The project with every digest filled in, and what must be written for it. A secret without a value keeps the digest it came with, if
   * its value is known; else throws `E_SECRET_MISSING`.
   */
  seal(project: Project, values: SecretValues): { readonly project: Project; readonly writes: readonly Operation[] } {
    const writes = new Map<string, Operation>()
    const sealed = withSecretsOfProject(project, (owner, name, reference) => {
      const value = values[owner]?.[name]
      if (value === undefined) return this.#keep(owner, name, reference)
      const digest = this.#digest(value)
      if (!this.#values.has(digest)) writes.set(digest, put(keys.secret(digest), value))
      return { ...reference, digest }
    })
    return { project: sealed, writes: [...writes.values()] }
  }

  /** Call once the writes of {@link seal} are durable. */
  accept(project: Project, values: SecretValues): void {
    for (const [owner, references] of secretsOfProject(project)) {
      for (const [name, { digest }] of Object.entries(references)) {
        const value = values[owner]?.[name]
        if (digest !== null && value !== undefined) this.#values.set(digest, value)
      }
    }
    this.#known = null
  }

  /** By environment variable. */
  valuesFor(service: Service): Readonly<Record<string, string>> {
    return this.#valuesOf(service.name, service.secrets)
  }

  /** By the name under which the target has it. */
  valuesForTarget({ secrets }: NotifyTarget): Readonly<Record<string, string>> {
    return this.#valuesOf(notifyOwner, secrets)
  }

  #valuesOf(owner: string, references: SecretReferences): Readonly<Record<string, string>> {
    const entries = Object.entries(references).map(([name, { digest }]) => [name, this.#values.get(digest ?? '')] as const)
    const missing = entries.find(([, value]) => value === undefined)
    if (missing !== undefined) throw missingSecret(owner, missing[0])
    return Object.fromEntries(entries) as Record<string, string>
  }

  /** Null where the service's image needs none. */
  registryPasswordFor(service: Service): string | null {
    const registry = service.runs.kind === 'container' ? service.runs.registry : null
    if (registry === null) return null
    const value = this.#values.get(registry.password.digest ?? '')
    if (value === undefined) throw missingSecret(service.name, registryPassword)
    return value
  }

  /**
   * Replaces every known value by `[redacted]`, also where it was quoted as JSON, and each line of one that has several; and the
   * beginning of a value where a text was cut within it.
   */
  redact(text: string): Redacted {
    let redacted = text
    for (const spelling of this.#spellings()) redacted = redacted.replaceAll(spelling, '[redacted]')
    for (const spelling of this.#spellings()) redacted = hideCut(redacted, spelling)
    return redacted as Redacted
  }

  /** Operations that forget values whose digest is not in `used`. */
  forget(used: ReadonlySet<string>): readonly Operation[] {
    const unused = [...this.#values.keys()].filter((digest) => !used.has(digest))
    for (const digest of unused) this.#values.delete(digest)
    this.#known = null
    return unused.map((digest) => remove(keys.secret(digest)))
  }

  /** Longest first: a value that begins with another one must not be left half readable. */
  #spellings(): readonly string[] {
    this.#known ??= [...new Set([...this.#values.values()].flatMap(spellingsOf))].toSorted((a, b) => b.length - a.length)
    return this.#known
  }

  #digest(value: string): string {
    return createHmac('sha256', this.#key).update(value).digest('hex')
  }

  #keep(owner: string, name: string, reference: SecretReference): SecretReference {
    if (reference.digest !== null && this.#values.has(reference.digest)) return reference
    throw missingSecret(owner, name)
  }
}

/** Digests of every secret that a project names. */
export function digestsOf(project: SecretHolders): readonly string[] {
  return secretsOfProject(project).flatMap(([, references]) =>
    Object.values(references).flatMap(({ digest }) => (digest === null ? [] : [digest])),
  )
}

/** Logs come line by line, and probes quote what they were answered. */
function spellingsOf(value: string): readonly string[] {
  const lines = value.split(/\r?\n/).map((line) => line.trim())
  const spellings = [value, JSON.stringify(value).slice(1, -1), ...(lines.length > 1 ? lines : [])]
  return spellings.filter((spelling) => spelling.length >= minRedactedLength)
}

/** What is shortened ends in the middle of whatever stood there, in quotes or before an ellipsis. */
function hideCut(text: string, spelling: string): string {
  const start = text.lastIndexOf(spelling.slice(0, minRedactedLength))
  if (start < 0) return text
  const rest = text.slice(start)
  const cut = rest.replace(/["'…\s]*$/, '')
  if (cut.length < minRedactedLength || !spelling.startsWith(cut)) return text
  return `${text.slice(0, start)}[redacted]${rest.slice(cut.length)}`
}

function missingSecret(owner: string, name: string): DarumaError {
  const whose = owner === notifyOwner ? 'notify' : `service ${owner}`
  return new DarumaError('E_SECRET_MISSING', `The value of secret ${name} of ${whose} is not known.`, {
    hint: 'Run daruma up where the secret can be read: its environment variable, file, or command.',
  })
}
