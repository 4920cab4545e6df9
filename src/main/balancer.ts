/** The entry of the embedded balancer: `node balancer.js <state>/balancer`, in the slot `@balancer/0`. Under root that starts its own worker. */

import { runBalancer } from '../adapters/embedded-balancer/run.ts'
import { endProcess } from './process/end-process.ts'

// What is left by then has had its time.
await endProcess(await serve(process.argv[2], process.argv[3]))

async function serve(directory: string | undefined, role: string | undefined): Promise<number> {
  if (directory === undefined) {
    process.stderr.write('usage: node balancer.js <state>/balancer\n')
    return 2
  }
  try {
    await runBalancer(directory, role)
    return 0
  } catch (error) {
    process.stderr.write(`balancer: ${(error as Error).stack ?? String(error)}\n`)
    return 1
  }
}
