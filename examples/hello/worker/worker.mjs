// The worker: counts, in a file that outlives it. Two of these at once would lose counts; there never are two.

import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const file = join(process.env.DARUMA_VOLUME_TICKS, 'count')

let count = 0
try {
  count = Number(readFileSync(file, 'utf8'))
  console.log(`going on from ${count}`)
} catch (error) {
  if (error.code !== 'ENOENT') throw error
  console.log('beginning')
}

setInterval(() => {
  count += 1
  writeFileSync(`${file}.new`, `${count}\n`)
  renameSync(`${file}.new`, file)
  if (count % 10 === 0) console.log(`${count} ticks (epoch ${process.env.DARUMA_EPOCH})`)
}, 1000)
