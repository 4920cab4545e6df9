import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { testStoreContract } from '../../../test/contracts/store.contract.ts'
import { openSqliteStore } from './index.ts'

const directory = await mkdtemp(join(tmpdir(), 'daruma-store-'))
after(() => rm(directory, { recursive: true }))
let opened = 0

testStoreContract('SQLite', () => openSqliteStore({ file: join(directory, `${(opened += 1)}.db`) }))
