/** The entry of the process that fetches one certificate: started by the daemon, which gives it the job on its standard input. */

import { runOrderProcess } from '../adapters/acme/order.ts'
import { endProcess } from './process/end-process.ts'

// The daemon that would read is gone: there is nobody to wait for.
await runOrderProcess(() => process.exit(1))
// Kept connections to the server would keep it for a while.
await endProcess(0)
