import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prefixedStore } from '../daemon/prefixed-store.ts'
import { testStoreContract } from '../../test/contracts/store.contract.ts'
import { createMemoryStore } from './store.ts'

testStoreContract('a part of a store', async () => prefixedStore(createMemoryStore(), 'projects/shop/'))

test('two parts of one store see nothing of each other', async () => {
  await using store = createMemoryStore()
  const [shop, shopper] = [prefixedStore(store, 'projects/shop/'), prefixedStore(store, 'projects/shopper/')]
  await shop.transact({ then: [{ kind: 'put', key: 'slot/web/0', value: '1' }] })
  await shopper.transact({ then: [{ kind: 'put', key: 'slot/web/0', value: '2' }] })
  const seen = await Promise.all(
    [shop, shopper, store].map(async (each) => (await each.list('')).entries.map(({ key, value }) => `${key}=${value}`)),
  )
  assert.deepEqual(seen, [['slot/web/0=1'], ['slot/web/0=2'], ['projects/shop/slot/web/0=1', 'projects/shopper/slot/web/0=2']])
  await shop.transact({ compare: [{ key: 'slot/web/1', modified: 0 }], then: [{ kind: 'delete', key: 'slot/web/0' }] })
  assert.equal((await shopper.get('slot/web/0'))?.value, '2')
  assert.equal(await shop.get('slot/web/0'), null)
})
