// One of the web copies. It listens where it is told, says who it is, and leaves in order when it is asked to.

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const { PORT, DARUMA_SLOT: slot, DARUMA_EPOCH: epoch } = process.env

// The files are those of the release that this copy was started from, whatever has become of the folder since.
const page = readFileSync('public/index.html', 'utf8')

const server = createServer((request, response) => {
  if (request.url === '/healthz') return response.end('ok\n')
  console.log(request.method, request.url)
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(page.replace('{slot}', slot).replace('{epoch}', epoch))
})

server.listen(PORT, '127.0.0.1', () => console.log(`http://127.0.0.1:${PORT}/`))

// No new connections; the open ones finish what they are doing, and then the process has nothing left to do.
process.on('SIGTERM', () => {
  server.close()
  server.closeIdleConnections()
})
