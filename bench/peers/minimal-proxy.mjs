// The proxy that everybody writes with Node alone: two upstreams in turn, a keep-alive agent, and nothing of what a balancer needs. What
// ours costs beyond it is what retries, limits, counters and the rest cost. `node minimal-proxy.mjs PORT UPSTREAM UPSTREAM`.
import { Agent, createServer, request } from 'node:http'

const [port, ...upstreams] = process.argv.slice(2).map(Number)
const agent = new Agent({ keepAlive: true })
let turn = 0

createServer((incoming, outgoing) => {
  const { method, url: path, headers } = incoming
  const asked = request(
    { host: '127.0.0.1', port: upstreams[turn++ % upstreams.length], method, path, headers, agent },
    (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers)
      answer.pipe(outgoing)
    },
  )
  asked.on('error', () => outgoing.writeHead(502).end())
  incoming.pipe(asked)
}).listen(port, '127.0.0.1')
