/**
 * What every store must do, sentence by sentence as `store.ts` promises it. Each adapter's test calls this with a way to open an
 * empty store; the simulator's passes it too, which is why a test against the simulator says something about production.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { DarumaError } from '../../src/ports/error.ts'
import { maxTransactionOperations } from '../../src/ports/storage/store.ts'
import type { Change, Operation, Store } from '../../src/ports/storage/store.ts'

const put = (key: string, value: string): Operation => ({ kind: 'put', key, value })
const remove = (key: string): Operation => ({ kind: 'delete', key })
const hasCode = (code: string) => (error: unknown) => error instanceof DarumaError && error.code === code

export function testStoreContract(name: string, open: () => Promise<Store>): void {
  describe(`${name} keeps the store's contract:`, () => {
    reads(open)
    transactions(open)
    watches(open)
    compaction(open)
    closing(open)
  })
}

function reads(open: () => Promise<Store>): void {
  it('a new store is empty at revision 0', async () => {
    await using store = await open()
    assert.equal(await store.get('a'), null)
    assert.deepEqual(await store.list(''), { revision: 0, entries: [] })
  })

  it('a key has its last value and the revision of its last change', async () => {
    await using store = await open()
    await store.transact({ then: [put('a', '1')] })
    await store.transact({ then: [put('b', '1')] })
    await store.transact({ then: [put('a', '2')] })
    assert.deepEqual(await store.get('a'), { key: 'a', value: '2', modified: 3 })
    assert.deepEqual(await store.get('b'), { key: 'b', value: '1', modified: 2 })
  })

  it('a listing has exactly the keys with the prefix, by code unit, from either end, up to its limit', async () => {
    await using store = await open()
    const keys = ['a', 'a/', 'a/10', 'a/9', 'a/B', 'a/b', 'a/~', 'a0', 'A/9', 'b', 'a/%_\'"']
    await store.transact({ then: keys.map((key) => put(key, `"${key}"`)) })
    const listed = async (prefix: string, options?: Parameters<Store['list']>[1]): Promise<string[]> =>
      (await store.list(prefix, options)).entries.map((entry) => entry.key)
    const sorted = ['a/', 'a/%_\'"', 'a/10', 'a/9', 'a/B', 'a/b', 'a/~']
    assert.deepEqual(await listed('a/'), sorted)
    assert.deepEqual(await listed('a/', { descending: true }), sorted.toReversed())
    assert.deepEqual(await listed('a/', { limit: 2 }), sorted.slice(0, 2))
    assert.deepEqual(await listed('a/', { limit: 2, descending: true }), ['a/~', 'a/b'])
    assert.deepEqual(await listed(''), keys.toSorted())
    assert.deepEqual(await listed('none'), [])
    assert.deepEqual(await store.list('b'), { revision: 1, entries: [{ key: 'b', value: '"b"', modified: 1 }] })
  })

  it('a listing never shows half of a transaction', async () => {
    await using store = await open()
    const writing = Promise.all(
      Array.from({ length: 50 }, (_, n) => store.transact({ then: [put('p/a', `${n}`), put('p/b', `${n}`)] })),
    )
    for (let n = 0; n < 20; n += 1) {
      const { entries } = await store.list('p/')
      assert.equal(entries[0]?.value, entries[1]?.value)
    }
    await writing
  })

  it('a read sees what was written before it, acknowledged or only asked for', async () => {
    await using store = await open()
    const writing = store.transact({ then: [put('a', '1')] })
    assert.equal((await store.get('a'))?.value, '1')
    await writing
  })

  it('values of every kind come back as they were', async () => {
    await using store = await open()
    const values = ['', '{}', '"\\u0000 \\ud800"', '"日本語 🎎"', JSON.stringify('x'.repeat(10 * 2 ** 20))]
    for (const [n, value] of values.entries()) await store.transact({ then: [put(`v${n}`, value)] })
    for (const [n, value] of values.entries()) assert.ok((await store.get(`v${n}`))?.value === value, `value ${n}`)
    assert.equal((await store.list('v')).entries.length, values.length)
  })
}

function transactions(open: () => Promise<Store>): void {
  it('all compares hold, then `then` is applied; else `otherwise`', async () => {
    await using store = await open()
    const create = { compare: [{ key: 'a', modified: 0 }], then: [put('a', '1')], otherwise: [put('lost', '1')] }
    assert.deepEqual(await store.transact(create), { succeeded: true, revision: 1 })
    assert.deepEqual(await store.transact(create), { succeeded: false, revision: 2 })
    const both = {
      compare: [
        { key: 'a', modified: 1 },
        { key: 'b', modified: 0 },
      ],
      then: [put('b', '1')],
    }
    assert.deepEqual(await store.transact(both), { succeeded: true, revision: 3 })
    assert.deepEqual(await store.transact(both), { succeeded: false, revision: 3 })
    await store.transact({ then: [remove('a')] })
    assert.deepEqual(await store.transact({ compare: [{ key: 'a', modified: 1 }], then: [] }), { succeeded: false, revision: 4 })
    assert.deepEqual(await store.transact(create), { succeeded: true, revision: 5 })
    assert.deepEqual(
      (await store.list('')).entries.map(({ key, modified }) => [key, modified]),
      [
        ['a', 5],
        ['b', 3],
        ['lost', 2],
      ],
    )
  })

  it('a transaction that changes nothing leaves the revision as it is', async () => {
    await using store = await open()
    await store.transact({ then: [put('a', '1')] })
    assert.deepEqual(await store.transact({ then: [] }), { succeeded: true, revision: 1 })
    assert.deepEqual(await store.transact({ then: [remove('b')] }), { succeeded: true, revision: 1 })
    assert.deepEqual(await store.transact({ then: [put('a', '1')] }), { succeeded: true, revision: 2 })
  })

  it('of many who compare at the same moment exactly one wins', async () => {
    await using store = await open()
    const results = await Promise.all(
      Array.from({ length: 64 }, (_, n) =>
        store.transact({ compare: [{ key: 'lock', modified: 0 }], then: [put('lock', `${n}`)] }),
      ),
    )
    const winners = results.flatMap((result, n) => (result.succeeded ? [n] : []))
    assert.equal(winners.length, 1)
    assert.equal((await store.get('lock'))?.value, `${winners[0]}`)
    assert.deepEqual(new Set(results.map((result) => result.revision)), new Set([1]))
  })

  it(`a transaction holds ${maxTransactionOperations} operations and not one more; its keys are printable ASCII`, async () => {
    await using store = await open()
    const operations = Array.from({ length: maxTransactionOperations }, (_, n) => put(`k${n}`, 'null'))
    assert.deepEqual(await store.transact({ then: operations }), { succeeded: true, revision: 1 })
    assert.equal((await store.list('k')).entries.length, maxTransactionOperations)
    await assert.rejects(store.transact({ then: [...operations, put('one', 'null')] }), assert.AssertionError)
    await assert.rejects(store.transact({ then: [], otherwise: [...operations, put('one', 'null')] }), assert.AssertionError)
    for (const key of ['', 'ä', 'a\n', 'x'.repeat(513)])
      await assert.rejects(store.transact({ then: [put(key, '1')] }), assert.AssertionError)
    assert.equal((await store.list('')).entries.length, maxTransactionOperations)
  })

  it('it does what a map does, whatever the order of puts, deletes and compares', async () => {
    const key = fc.constantFrom('a', 'b', 'b/1', 'c')
    const operation = fc.oneof(
      fc.record({ kind: fc.constant('put' as const), key, value: fc.json() }),
      fc.record({ kind: fc.constant('delete' as const), key }),
    )
    const transaction = fc.record({
      compareKey: key,
      isStale: fc.boolean(),
      then: fc.array(operation, { maxLength: 4 }),
      otherwise: fc.array(operation, { maxLength: 2 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(transaction, { maxLength: 12 }), async (transactions) => {
        await using store = await open()
        const model = new Map<string, string>()
        const log: Change[] = []
        let revision = 0
        for (const { compareKey, isStale, then, otherwise } of transactions) {
          const modified = ((await store.get(compareKey))?.modified ?? 0) + (isStale ? 1 : 0)
          const before = log.length
          for (const step of isStale ? otherwise : then) {
            if (step.kind === 'delete' && !model.delete(step.key)) continue
            if (step.kind === 'put') model.set(step.key, step.value)
            log.push({ key: step.key, value: step.kind === 'put' ? step.value : null, revision: revision + 1 })
          }
          if (log.length > before) revision += 1
          assert.deepEqual(await store.transact({ compare: [{ key: compareKey, modified }], then, otherwise }), {
            succeeded: !isStale,
            revision,
          })
        }
        const { entries } = await store.list('')
        assert.deepEqual(
          entries.map((entry) => [entry.key, entry.value]),
          [...model].toSorted(([a], [b]) => (a < b ? -1 : 1)),
        )
        assert.deepEqual(await take(store, { prefix: '', from: 0, count: log.length }), log)
      }),
      { numRuns: 25 },
    )
  })
}

function watches(open: () => Promise<Store>): void {
  it('a watch gives every change under its prefix after its revision, in order', async () => {
    await using store = await open()
    await store.transact({ then: [put('w/a', '1'), put('x', '1'), put('w/b', '1')] })
    await store.transact({ then: [remove('w/a')] })
    const all = [
      { key: 'w/a', value: '1', revision: 1 },
      { key: 'w/b', value: '1', revision: 1 },
      { key: 'w/a', value: null, revision: 2 },
    ]
    assert.deepEqual(await take(store, { prefix: 'w/', from: 0, count: 3 }), all)
    assert.deepEqual(await take(store, { prefix: 'w/', from: 1, count: 1 }), all.slice(2))
  })

  it('a watch waits for what is still to come, and a change elsewhere does not end its wait', async () => {
    await using store = await open()
    const coming = take(store, { prefix: 'w/', from: 0, count: 2 })
    await store.transact({ then: [put('other', '1')] })
    await store.transact({ then: [put('w/a', '1')] })
    await store.transact({ compare: [{ key: 'w/a', modified: 9 }], then: [], otherwise: [put('w/a', '2')] })
    assert.deepEqual(await coming, [
      { key: 'w/a', value: '1', revision: 2 },
      { key: 'w/a', value: '2', revision: 3 },
    ])
  })

  it('watches that begin in the middle of concurrent writes see each change once and none is missing', async () => {
    await using store = await open()
    const count = 400
    const watching: Promise<readonly Change[]>[] = []
    const writing: Promise<unknown>[] = []
    for (let n = 0; n < count; n += 1) {
      writing.push(store.transact({ then: [put(`w/${n % 7}`, `${n}`)] }))
      if (n % 100 === 50) watching.push(take(store, { prefix: 'w/', from: n - 50, count: count - (n - 50) }))
      if (n % 30 === 0) await Promise.all(writing.splice(0))
    }
    for (const seen of await Promise.all(watching)) {
      const first = count - seen.length
      assert.deepEqual(
        seen.map(({ revision, value }) => [revision, value]),
        seen.map((_, index) => [first + index + 1, `${first + index}`]),
      )
    }
    await Promise.all(writing)
  })

  it('a watch of many and large changes crosses its pages without a gap', async () => {
    await using store = await open()
    const large = JSON.stringify('x'.repeat(300_000))
    for (let n = 0; n < 8; n += 1) await store.transact({ then: [put(`w/${n}`, large), put(`w/${n}/end`, 'null')] })
    await store.transact({ then: Array.from({ length: 700 }, (_, n) => put(`w/many/${String(n).padStart(3, '0')}`, 'null')) })
    const seen = await take(store, { prefix: 'w/', from: 0, count: 716 })
    assert.equal(new Set(seen.map((change) => change.key)).size, 716)
    assert.deepEqual(
      seen.map((change) => change.revision),
      seen.map((change) => change.revision).toSorted((a, b) => a - b),
    )
  })

  it('the signal ends a waiting watch, and one that has not begun', async () => {
    await using store = await open()
    await store.transact({ then: [put('a', '1')] })
    const controller = new AbortController()
    const waiting = collect(store.watch('a', 0, controller.signal))
    await store.get('a')
    controller.abort()
    assert.ok((await waiting).length <= 1)
    assert.deepEqual(await collect(store.watch('a', 0, controller.signal)), [])
  })
}

function compaction(open: () => Promise<Store>): void {
  it('forgotten changes cannot be watched; the values and the revision stay', async () => {
    await using store = await open()
    for (const value of ['1', '2', '3']) await store.transact({ then: [put('a', value)] })
    await store.transact({ then: [put('b', '1')] })
    await store.transact({ then: [remove('b')] })
    await store.compact(2)
    await assert.rejects(take(store, { prefix: '', from: 1, count: 1 }), hasCode('E_STORE_COMPACTED'))
    assert.deepEqual(
      (await take(store, { prefix: '', from: 2, count: 3 })).map((change) => change.revision),
      [3, 4, 5],
    )
    await store.compact(5)
    await store.compact(1)
    assert.deepEqual(await store.list(''), { revision: 5, entries: [{ key: 'a', value: '3', modified: 3 }] })
    await assert.rejects(take(store, { prefix: '', from: 4, count: 1 }), hasCode('E_STORE_COMPACTED'))
    assert.deepEqual(await store.transact({ then: [put('c', '1')] }), { succeeded: true, revision: 6 })
  })

  it('to forget more than there is forgets nothing that is still to come', async () => {
    await using store = await open()
    await store.transact({ then: [put('a', '1')] })
    await store.compact(1000)
    await store.transact({ then: [put('a', '2')] })
    assert.deepEqual(await take(store, { prefix: 'a', from: 1, count: 1 }), [{ key: 'a', value: '2', revision: 2 }])
  })

  it('a watch that has seen everything outlives a compaction; one that lags behind is told', async () => {
    await using store = await open()
    const aborted = new AbortController()
    await store.transact({ then: [put('a', '0')] })
    const upToDate = store.watch('a', 0, aborted.signal)[Symbol.asyncIterator]()
    const lagging = store.watch('a', 0, aborted.signal)[Symbol.asyncIterator]()
    await upToDate.next()
    await lagging.next()
    const next = upToDate.next()
    await store.compact(1)
    await store.transact({ then: [put('a', '1')] })
    assert.deepEqual(await next, { done: false, value: { key: 'a', value: '1', revision: 2 } })
    await store.transact({ then: [put('a', '2')] })
    await store.compact(3)
    await assert.rejects(lagging.next(), hasCode('E_STORE_COMPACTED'))
    aborted.abort()
  })
}

function closing(open: () => Promise<Store>): void {
  it('a closed store refuses every call, ends its watches, and can be closed again', async () => {
    const store = await open()
    const watching = take(store, { prefix: '', from: 0, count: 9 })
    const ended = assert.rejects(watching, hasCode('E_STORE_CLOSED'))
    const last = store.transact({ then: [put('a', '1')] })
    await store[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
    assert.deepEqual(await last, { succeeded: true, revision: 1 })
    await ended
    for (const call of [store.get('a'), store.list(''), store.transact({ then: [] }), store.compact(0)]) {
      await assert.rejects(call, hasCode('E_STORE_CLOSED'))
    }
    await assert.rejects(collect(store.watch('', 0, new AbortController().signal)), hasCode('E_STORE_CLOSED'))
  })
}

/** The next `count` changes; a watch that stays silent fails the test by its time limit. */
async function take(
  store: Store,
  wanted: { readonly prefix: string; readonly from: number; readonly count: number },
): Promise<readonly Change[]> {
  const controller = new AbortController()
  const seen: Change[] = []
  if (wanted.count === 0) return seen
  for await (const change of store.watch(wanted.prefix, wanted.from, controller.signal)) {
    seen.push(change)
    if (seen.length === wanted.count) controller.abort()
  }
  return seen
}

async function collect(changes: AsyncIterable<Change>): Promise<readonly Change[]> {
  const seen: Change[] = []
  for await (const change of changes) seen.push(change)
  return seen
}
