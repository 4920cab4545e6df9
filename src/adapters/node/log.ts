/** The daemon's diary on standard error: the supervisor or systemd keeps it. One line each, never a secret. */

import { writeSync } from 'node:fs'
import type { Log } from '../../ports/log.ts'

const standardError = 2

export const stderrLog: Log = {
  write(level, message, detail) {
    const rest = detail === undefined ? '' : ` ${JSON.stringify(detail)}`
    try {
      writeSync(standardError, `${new Date().toISOString()} ${level} ${message}${rest}\n`)
    } catch {
      // On a full disk the diary has a gap. Through `process.stderr` the failed write would end the daemon.
    }
  },
}
