/** The entry of the embedded balancer's process: `node balancer.js <state>/balancer`, started in the slot `@balancer/0`. */

import { runBalancer } from '../adapters/embedded-balancer/run.ts'
import { endProcess } from './end-process.ts'

// What is left by then has had its time.
await endProcess(await serve(process.argv[2]))

async function serve(directory: string | undefined): Promise<number> {
  if (directory === undefined) {
    process.stderr.write('usage: node balancer.js <state>/balancer\n')
    return 2
  }
  try {
    await runBalancer(directory)
    return 0
  } catch (error) {
    process.stderr.write(`balancer: ${(error as Error).stack ?? String(error)}\n`)
    return 1
  }
}
