/**
 * The store's tables, synchronously: what the worker runs. A batch is committed by ONE SQLite transaction with a savepoint for
 * each of its transactions, so that one fsync serves all who waited; nobody is answered before it.
 *
 * Reads of a batch come after its commit: a read sees every write that was asked for before it, and never one that a full disk
 * took back.
 */

import { rmSync, statSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { maxTransactionOperations } from '../../ports/storage/store.ts'
import type { Change, Entry, Listing, Operation, Transaction, TransactionResult } from '../../ports/storage/store.ts'
import { StoreFailure, compacted, explainError, replaced, tooLarge } from './errors.ts'
import type { ChangePage, CompactionSlice, Failure, Outcome, Request } from './messages.ts'
import { openDatabase } from './schema.ts'

type Write = Extract<Request, { readonly kind: 'transact' }>
type Read = Exclude<Request, Write>

/** Positions a revision has room for. */
const stride = maxTransactionOperations
/** Above every character a key may hold: `[prefix, prefix + above)` is everything under the prefix. */
const above = '\x7f'
/** A page of a watch ends after so many changes or characters, at the next revision's border. */
const pageChanges = 256
const pageCharacters = 2 ** 20
/** One listing may be this large; beyond it the worker would rather refuse than die of its heap limit. */
const listingCharacters = 128 * 2 ** 20
/** Rows a compaction looks at before it lets others have their turn: about 5 ms. */
const sliceRows = 2000

/** One open database file. Not thread-safe, not reentrant; the worker is its only user. */
export class Database {
  readonly #file: string
  readonly #database: DatabaseSync
  readonly #identity: string
  readonly #logIdentity: string
  readonly #statements: ReturnType<typeof prepareStatements>
  #revision: number
  #compacted: number
  #isReplaced = false

  /** Opens or creates; throws what {@link explainError} understands. */
  constructor(file: string) {
    this.#file = file
    this.#database = openDatabase(file)
    this.#identity = identityOf(file)
    this.#statements = prepareStatements(this.#database)
    this.#revision = Math.floor(Number(this.#statements.newest.get()?.['position'] ?? 0) / stride)
    this.#compacted = Number(this.#statements.compacted.get()?.['revision'])
    this.#logIdentity = identityOf(`${file}-wal`)
  }

  /** Answers each request; the outcomes stand in the order of the requests. Throws only for bugs. */
  run(requests: readonly Request[]): Outcome[] {
    const outcomes: Outcome[] = Array.from({ length: requests.length })
    const writes = requests.flatMap((request, index) => (request.kind === 'transact' ? [{ request, index }] : []))
    if (writes.length > 0) {
      const results = this.#commit(writes.map((write) => write.request))
      for (const [place, { index }] of writes.entries()) outcomes[index] = results[place]!
    }
    for (const [index, request] of requests.entries()) {
      if (request.kind !== 'transact') outcomes[index] = this.#attempt(() => this.#read(request))
    }
    return outcomes
  }

  /** Moves the log into the database file and empties it. */
  checkpoint(): Failure | null {
    try {
      if (this.#isUntouched()) this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      return null
    } catch (error) {
      return explainError(error, this.#file)
    }
  }

  close(): void {
    this.checkpoint()
    this.#database.close()
  }

  /** The whole group or, where that fails, each alone: a value too large for the disk must not fail its small neighbours. */
  #commit(writes: readonly Write[]): Outcome[] {
    const group = this.#attempt(() => this.#commitTogether(writes))
    if (group.ok) return group.value
    if (writes.length === 1 || this.#isReplaced) return writes.map(() => group)
    return writes.flatMap((write) => this.#commit([write]))
  }

  #commitTogether(writes: readonly Write[]): Outcome[] {
    this.#refuseReplaced()
    const revisionBefore = this.#revision
    try {
      this.#database.exec('BEGIN IMMEDIATE')
      const outcomes = writes.map((write) => this.#applyAlone(write.transaction))
      this.#database.exec('COMMIT')
      this.#refuseReplaced()
      return outcomes
    } catch (error) {
      this.#revision = revisionBefore
      // Some errors have already ended the transaction, a full disk among them: https://sqlite.org/lang_transaction.html
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  /** Within its savepoint. A value that is too large fails alone; whatever else goes wrong fails the group. */
  #applyAlone(transaction: Transaction): Outcome {
    const revisionBefore = this.#revision
    this.#database.exec('SAVEPOINT one')
    const outcome = this.#attempt(() => this.#apply(transaction))
    if (!outcome.ok) {
      if (outcome.failure.code !== 'E_STORE_TOO_LARGE') throw new StoreFailure(outcome.failure)
      this.#revision = revisionBefore
      this.#database.exec('ROLLBACK TO one')
    }
    this.#database.exec('RELEASE one')
    return outcome
  }

  #apply(transaction: Transaction): TransactionResult {
    const succeeded = (transaction.compare ?? []).every((compare) => this.#modified(compare.key) === compare.modified)
    const operations = succeeded ? transaction.then : (transaction.otherwise ?? [])
    let place = 0
    for (const operation of operations) {
      if (this.#change(operation, (this.#revision + 1) * stride + place)) place += 1
    }
    if (place > 0) this.#revision += 1
    return { succeeded, revision: this.#revision }
  }

  /** Whether anything changed: to delete what is not there does not. */
  #change(operation: Operation, position: number): boolean {
    if (operation.kind === 'delete') {
      if (this.#statements.deleteEntry.run(operation.key).changes === 0) return false
      this.#statements.addChange.run(position, operation.key, null)
    } else {
      this.#statements.addChange.run(position, operation.key, operation.value)
      this.#statements.putEntry.run(operation.key, position)
    }
    return true
  }

  #modified(key: string): number {
    const row = this.#statements.entryPosition.get(key)
    return row === undefined ? 0 : Math.floor(Number(row['position']) / stride)
  }

  #read(request: Read): Entry | null | Listing | ChangePage | CompactionSlice {
    this.#refuseReplaced()
    switch (request.kind) {
      case 'get':
        return this.#get(request.key)
      case 'list':
        return this.#list(request)
      case 'changes':
        return this.#changes(request.prefix, request.after)
      case 'compact':
        return this.#compactSlice(request.revision, request.from)
    }
  }

  #get(key: string): Entry | null {
    const row = this.#statements.entry.get(key)
    return row === undefined ? null : entryOf(row)
  }

  #list({ prefix, limit, descending }: Extract<Request, { readonly kind: 'list' }>): Listing {
    const statement = descending ? this.#statements.listDescending : this.#statements.list
    const entries: Entry[] = []
    let characters = 0
    for (const row of statement.iterate(prefix, prefix + above, limit ?? -1)) {
      const entry = entryOf(row)
      characters += entry.key.length + entry.value.length
      if (characters > listingCharacters) throw new StoreFailure(tooLarge(prefix, listingCharacters))
      entries.push(entry)
    }
    return { revision: this.#revision, entries }
  }

  #changes(prefix: string, after: number): ChangePage {
    if (after < this.#compacted) throw new StoreFailure(compacted(after, this.#compacted))
    const changes: Change[] = []
    let characters = 0
    let through = after
    for (const row of this.#statements.changes.iterate((after + 1) * stride, prefix, prefix + above)) {
      const change = changeOf(row)
      if (change.revision !== through && (changes.length >= pageChanges || characters >= pageCharacters)) {
        return { changes, through, isComplete: false }
      }
      changes.push(change)
      characters += change.key.length + (change.value?.length ?? 0)
      through = change.revision
    }
    return { changes, through: Math.max(after, this.#revision), isComplete: true }
  }

  /**
   * The floor is raised first, durably, and then the rows go slice by slice. The newest change stays even when it is a deletion:
   * it is where the revision is read from when the file is opened.
   */
  #compactSlice(revision: number, from: number): CompactionSlice {
    const floor = Math.min(revision, this.#revision)
    if (floor > this.#compacted) {
      this.#statements.raiseFloor.run(floor)
      this.#compacted = floor
    }
    const end = (floor + 1) * stride
    const last = this.#statements.sliceEnd.get(from, end, sliceRows)?.['position']
    if (typeof last !== 'number') return { next: null }
    this.#statements.forget.run(from, last)
    return { next: last + 1 }
  }

  #attempt<Value>(
    work: () => Value,
  ): { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly failure: Failure } {
    try {
      return { ok: true, value: work() }
    } catch (error) {
      return { ok: false, failure: explainError(error, this.#file) }
    }
  }

  #refuseReplaced(): void {
    if (!this.#isUntouched()) throw new StoreFailure(replaced(this.#file))
  }

  /**
   * Final once it is false. Our log still lies beside the new file, and anything that opens that file next would replay it
   * (https://sqlite.org/howtocorrupt.html, section 1.4), so it goes at once; a log that came with the new file stays.
   */
  #isUntouched(): boolean {
    if (this.#isReplaced) return false
    if (identityOf(this.#file) === this.#identity) return true
    this.#isReplaced = true
    if (identityOf(`${this.#file}-wal`) === this.#logIdentity) rmSync(`${this.#file}-wal`, { force: true })
    return false
  }
}

/** The open descriptor keeps the old inode alive, so its number cannot come back for another file. */
function identityOf(file: string): string {
  const status = statSync(file, { throwIfNoEntry: false })
  return status === undefined ? 'none' : `${status.dev}:${status.ino}`
}

type Row = ReturnType<StatementSync['all']>[number]

const entryOf = (row: Row): Entry => ({
  key: String(row['key']),
  value: String(row['value']),
  modified: Math.floor(Number(row['position']) / stride),
})

const changeOf = (row: Row): Change => ({
  key: String(row['key']),
  value: row['value'] === null ? null : String(row['value']),
  revision: Math.floor(Number(row['position']) / stride),
})

/** The table `entries` of the port, as one would like to read it. */
const present = 'SELECT entries.key, value, entries.position FROM entries JOIN changes ON changes.position = entries.position'

function prepareStatements(database: DatabaseSync) {
  return {
    newest: database.prepare('SELECT max(position) AS position FROM changes'),
    compacted: database.prepare('SELECT revision FROM compaction'),
    entry: database.prepare(`${present} WHERE entries.key = ?`),
    entryPosition: database.prepare('SELECT position FROM entries WHERE key = ?'),
    list: database.prepare(`${present} WHERE entries.key >= ? AND entries.key < ? ORDER BY entries.key LIMIT ?`),
    listDescending: database.prepare(`${present} WHERE entries.key >= ? AND entries.key < ? ORDER BY entries.key DESC LIMIT ?`),
    addChange: database.prepare('INSERT INTO changes (position, key, value) VALUES (?, ?, ?)'),
    putEntry: database.prepare(
      'INSERT INTO entries (key, position) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET position = excluded.position',
    ),
    deleteEntry: database.prepare('DELETE FROM entries WHERE key = ?'),
    changes: database.prepare(
      'SELECT position, key, value FROM changes WHERE position >= ? AND key >= ? AND key < ? ORDER BY position',
    ),
    raiseFloor: database.prepare('UPDATE compaction SET revision = ?'),
    sliceEnd: database.prepare(
      'SELECT max(position) AS position FROM (SELECT position FROM changes WHERE position >= ? AND position < ? ORDER BY position LIMIT ?)',
    ),
    forget: database.prepare(`
      DELETE FROM changes WHERE position BETWEEN ? AND ? AND position < (SELECT max(position) FROM changes)
      AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.key = changes.key AND entries.position = changes.position)`),
  }
}
