/** Writes pairs of keys, 16 at a time, for ever; prints a pair's number once it is acknowledged. To be killed in the middle. */

import { writeSync } from 'node:fs'
import { openSqliteStore } from '../index.ts'

const [file, from] = process.argv.slice(2)
const store = await openSqliteStore({ file: file! })
let number = Number(from)

async function write(): Promise<never> {
  for (;;) {
    number += 1
    const mine = number
    await store.transact({
      then: [
        { kind: 'put', key: `a/${mine}`, value: `${mine}` },
        { kind: 'put', key: `b/${mine}`, value: 'x'.repeat(mine % 3000) },
      ],
    })
    writeSync(1, `${mine}\n`)
  }
}

await Promise.all(Array.from({ length: 16 }, write))
