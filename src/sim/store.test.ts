import { testStoreContract } from '../../test/contracts/store.contract.ts'
import { createMemoryStore } from './store.ts'

testStoreContract('the store in memory', async () => createMemoryStore())
