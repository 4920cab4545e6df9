/**
 * Compiled code is kept between runs: a third of the start-up time. Never in Node's default place below /tmp: anyone who can write
 * there first would choose the code that root runs.
 */

import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

import { makeFolder } from '../../system/make-folder.ts'

export function keepCompiledCode(): void {
  const folder = directory()
  try {
    // Node makes it too, but recursively: see makeFolder.
    makeFolder(folder)
  } catch {
    return
  }
  enableCompileCache(folder)
}

function directory(): string {
  if (process.geteuid?.() === 0) return '/var/cache/daruma/compiled'
  const base = process.env['XDG_CACHE_HOME']
  return join(base === undefined || !base.startsWith('/') ? join(homedir(), '.cache') : base, 'daruma/compiled')
}
