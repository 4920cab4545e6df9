/** The daemon's diary on standard error: the supervisor or systemd keeps it. One line each, never a secret. */

import type { Log } from '../../ports/log.ts'

export const stderrLog: Log = {
  write(level, message, detail) {
    const rest = detail === undefined ? '' : ` ${JSON.stringify(detail)}`
    process.stderr.write(`${new Date().toISOString()} ${level} ${message}${rest}\n`)
  },
}
