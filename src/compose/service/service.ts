/** One service on its way from Compose to a config: what it gathers, and how it says what it could not take along. */

import type { Ledger } from '../tree/ledger.ts'
import type { Secrets } from './secret-names.ts'
import { type Entry, get, type Mapping, type Place, type Tree } from '../tree/tree.ts'
import { below, type Spot } from '../tree/values.ts'

/** What the services need to know of each other and of the project. */
export interface ProjectContext {
  readonly ledger: Ledger
  readonly secrets: Secrets
  /** By service: is something known of its health, and is it a job? */
  readonly facts: ReadonlyMap<string, Facts>
  /** Services that a profile keeps out, and the profiles. */
  readonly leftOut: ReadonlyMap<string, readonly string[]>
  /** The top level's `secrets`, `configs`, `volumes`. */
  readonly top: (section: string, name: string) => Tree | undefined
  /** Reads a file beside the Compose file; the problem is reported. */
  readonly readFile: (tree: Tree, isRequired: boolean) => Promise<{ readonly text: string; readonly file: string } | null>
  readonly variables: (name: string) => string | undefined
}

export interface Facts {
  readonly hasHealth: boolean
  readonly isJob: boolean
  /** That Compose would find it by, besides its own. */
  readonly otherNames: readonly string[]
}

export class ServiceDraft {
  readonly name: string
  readonly source: Mapping
  readonly context: ProjectContext
  readonly spot: Spot
  /** Keys of a service as a config writes them. */
  readonly written: Record<string, unknown> = {}
  /** Why a key is as it is, where that was a choice; by key. */
  readonly remarks: Record<string, string> = {}

  constructor(name: string, source: Mapping, context: ProjectContext) {
    this.name = name
    this.source = source
    this.context = context
    this.spot = { path: ['services', name], ledger: context.ledger }
  }

  get(key: string): Tree | undefined {
    return get(this.source, key)
  }

  entry(key: string): Entry | undefined {
    return this.source.entries.get(key)
  }

  at(...keys: readonly string[]): Spot {
    return below(this.spot, ...keys)
  }

  /** Something that is not carried over. */
  note(key: string, at: Place | undefined, message: string, instead: string): void {
    this.context.ledger.note(at ?? this.source.at, `services.${this.name}.${key}`, message, instead)
  }

  /** Calls `carry` when the key is there and holds something. */
  with(key: string, carry: (tree: Tree, spot: Spot) => void): void {
    const tree = this.get(key)
    if (tree !== undefined) carry(tree, this.at(key))
  }
}
