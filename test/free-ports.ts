/**
 * Ports that nobody has. Not from the range out of which the kernel itself gives ports (ip_local_port_range begins at 32768): between our
 * look and our use it could give one to the other file of tests that runs at the same time, and its requests would arrive here.
 */

import { type Server, createServer } from 'node:net'

/** Below what a daemon gives to services; 18,000 and above are those that tests name themselves. */
const [lowest, count] = [10_000, 8000]
let last = Math.floor(Math.random() * count)

export async function freePorts(wanted: number): Promise<readonly number[]> {
  const servers: Server[] = []
  for (let tried = 0; servers.length < wanted && tried < count; tried += 1) {
    last = (last + 1) % count
    const server = await listen(lowest + last)
    if (server !== null) servers.push(server)
  }
  const ports = servers.map((server) => (server.address() as { readonly port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  if (ports.length < wanted) throw new Error(`only ${ports.length} of ${wanted} ports are free`)
  return ports
}

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1)
  return port
}

/** Null where somebody has it. */
function listen(port: number): Promise<Server | null> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(null))
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
