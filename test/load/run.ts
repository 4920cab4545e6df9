/**
 * The generator's process: `node test/load/run.ts '{"port":8080,"rate":2000,"seconds":60}'`. It hears `mark NAME` and `stop` on standard
 * input (and ends when that closes), writes `started` after the first answer, and its result as the last line. See `load.ts`.
 */

import { createInterface } from 'node:readline'
import { Generator } from './generator.ts'
import type { LoadOptions } from './load.ts'

const options = JSON.parse(process.argv[2] ?? '{}') as LoadOptions
if (!(options.port > 0 && options.rate > 0 && options.seconds > 0)) {
  console.error(`usage: node test/load/run.ts '{"port":8080,"rate":2000,"seconds":60}'; the options are LoadOptions of load.ts`)
  process.exit(2)
}
const generator = new Generator(options, () => console.log('started'))
const commands = createInterface({ input: process.stdin })
commands.on('line', (line) => {
  if (line === 'stop') generator.stop()
  else if (line.startsWith('mark ')) generator.mark(line.slice('mark '.length))
})
commands.on('close', () => generator.stop())
process.on('SIGINT', () => generator.stop())
console.log(JSON.stringify(await generator.done))
process.exit(0)
