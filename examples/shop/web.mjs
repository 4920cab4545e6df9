// One of the web servers. It keeps nothing: everything is in the database, so three are as good as one, and any of them may go.
//
//   GET /            how many orders there are
//   POST /orders     orders what the body says, answers with the order's number
//   GET /orders/7    one order

import { createServer } from 'node:http'
import { text as bodyOf } from 'node:stream/consumers'
import { query } from './postgres.mjs'

const { PORT, GREETING, DARUMA_SLOT: slot, DARUMA_EPOCH: epoch } = process.env

const server = createServer((request, response) => {
  answer(request)
    .catch((error) => {
      console.error(request.method, request.url, error.message)
      return [503, { error: error.message }]
    })
    .then(([status, body]) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(`${JSON.stringify(body)}\n`)
    })
})

async function answer(request) {
  const number = /^\/orders\/(\d+)$/.exec(request.url)?.[1]
  if (request.url === '/healthz') {
    await query('select 1')
    return [200, 'ok']
  }
  if (request.method === 'POST' && request.url === '/orders') {
    const [[id]] = await query('insert into orders (what) values ($1) returning id', [await bodyOf(request)])
    return [201, { id: Number(id), servedBy: slot }]
  }
  if (number !== undefined) {
    const [order] = await query('select what, packed_at is not null from orders where id = $1', [number])
    return order === undefined
      ? [404, { error: 'no such order' }]
      : [200, { id: Number(number), what: order[0], isPacked: order[1] === 't' }]
  }
  if (request.url !== '/') return [404, { error: 'no such page' }]
  const [[orders, packed]] = await query('select count(*), count(packed_at) from orders')
  return [200, { greeting: GREETING, orders: Number(orders), packed: Number(packed), servedBy: slot, epoch: Number(epoch) }]
}

server.listen(PORT, '127.0.0.1', () => console.log(`listening on ${PORT}`))

// By now the balancer sends nothing more. What is under way ends, and then nothing is left to do.
process.on('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
})
