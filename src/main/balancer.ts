/** The entry of the embedded balancer's process: `node balancer.js <state>/balancer`, started in the slot `@balancer/0`. */

import { runBalancer } from '../adapters/embedded-balancer/run.ts'

const directory = process.argv[2]
if (directory === undefined) {
  process.stderr.write('usage: node balancer.js <state>/balancer\n')
  process.exit(2)
}
try {
  await runBalancer(directory)
} catch (error) {
  process.stderr.write(`balancer: ${(error as Error).stack ?? String(error)}\n`)
  process.exit(1)
}
// What is left by now has had its time.
process.exit(0)
