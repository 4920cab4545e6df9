/** The entry of the process that fetches one certificate: started by the daemon, which gives it the job on its standard input. */

import { runOrderProcess } from '../adapters/acme/order.ts'

await runOrderProcess(() => process.exit(1))
// Kept connections to the server would keep it for a while.
process.exit(0)
