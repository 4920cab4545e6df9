import assert from 'node:assert/strict'
import { test } from 'node:test'
import { admit } from '../core/clockwork/admit.ts'
import { newLedger } from '../core/clockwork/ledger.ts'
import { asServiceName } from '../core/model/id.ts'
import { createMemoryStore } from '../sim/store.ts'
import { newBook } from './clockwork-book.ts'
import type { Book } from './clockwork-book.ts'
import { commitTurns } from './clockwork-commit.ts'
import type { Turned } from './clockwork-commit.ts'
import { isDue } from './clockwork-prune.ts'

function aBook(name: string): Book {
  const service = asServiceName(name)
  const ledger = newLedger(service, '* * * * * UTC', 0)
  return { ...newBook({ service, ledger, written: null, forgotten: [] }), isStirred: false }
}

/** A turn that lets one run in. */
const turned = (book: Book, answers: string[]): Turned => ({
  book,
  after: admit(book.ledger, 'forbid', { tickMs: 60_000, by: 'schedule', isLate: false }).ledger,
  answer: (error) => void answers.push(`${book.service} ${error === null ? 'is durable' : error.message}`),
})

test('a schedule whose run cannot be acted upon hinders no other, and nothing of it is written down a second time', async () => {
  const store = createMemoryStore()
  const books = ['first', 'second'].map(aBook)
  const answers: string[] = []
  const turns = books.map((book) => turned(book, answers))
  const acted: string[] = []
  let isBroken = true
  const act = async (book: Book, after: Book['ledger']): Promise<void> => {
    book.ledger = after
    if (isBroken && book.service === 'first') throw new Error('its revision cannot be read')
    acted.push(book.service)
  }
  await assert.rejects(commitTurns({ store, checkpoint: null, act }, turns, 0), /cannot be read/)
  assert.deepEqual(acted, ['second'])
  assert.deepEqual(answers, ['first is durable', 'second is durable'])
  assert.deepEqual(
    books.map(({ isStirred }) => isStirred),
    [true, false],
  )
  isBroken = false
  const again = books.map((book) => ({ book, after: book.ledger, answer: (): void => {} }))
  await commitTurns({ store, checkpoint: null, act }, again, 0)
  assert.deepEqual(acted, ['second', 'first', 'second'])
})

test('runs beyond those that are kept wait while others are being started, but not for ever', () => {
  const book = aBook('tick')
  const [run] = turned(book, []).after.runs
  assert.ok(run)
  const surplus = (count: number): Parameters<typeof isDue>[0] => [{ book, runs: Array.from({ length: count }, () => run) }]
  assert.deepEqual(
    [isDue([], false), isDue(surplus(1), false), isDue(surplus(1), true), isDue(surplus(2000), true)],
    [false, true, false, true],
  )
})
