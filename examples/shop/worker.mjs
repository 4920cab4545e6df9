// Packs what was ordered. There is never a second worker, and the database makes sure of it once more: a worker that was frozen for an
// hour and wakes up beside its successor carries an older epoch, and its packing changes nothing.

import { setTimeout as sleep } from 'node:timers/promises'
import { query } from './postgres.mjs'

const epoch = process.env.DARUMA_EPOCH
let isAsked = false
process.on('SIGTERM', () => (isAsked = true))

const pack = `
  update orders set packed_at = now(), packed_by = $1
  where id = (select id from orders where packed_at is null order by id limit 1)
    and $1::bigint >= (select epoch from newest_worker)
  returning id`

while (!isAsked) {
  try {
    await query('update newest_worker set epoch = $1 where epoch < $1::bigint', [epoch])
    const packed = await query(pack, [epoch])
    if (packed.length === 0) await sleep(200)
    else console.log(`packed order ${packed[0][0]}`)
  } catch (error) {
    // The database falls now and then, and gets up.
    console.error(error.message)
    await sleep(500)
  }
}
process.exit(0)
