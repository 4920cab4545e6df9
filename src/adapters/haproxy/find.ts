/** Which HAProxy this machine has, and whether it can do what we ask of one. */

import { execFileSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { join } from 'node:path'

export interface FoundHaproxy {
  readonly path: string
  /** `2.6.12`; empty where the program says nothing that we understand. */
  readonly version: string
  /** Servers with health checks can be added while it runs since 2.6. */
  readonly isNewEnough: boolean
}

export const oldestVersion: string = '2.6'

/** Where distributions put it; the daemon's own PATH may be a bare one. */
const usualFolders = ['/usr/sbin', '/usr/local/sbin', '/usr/bin', '/usr/local/bin']

/** The first one on the path, else where distributions put it; null where there is none. Asked again only when the file has changed. */
export function findHaproxy(): FoundHaproxy | null {
  const folders = [...(process.env['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/')), ...usualFolders]
  const path = folders.map((folder) => join(folder, 'haproxy')).find(isExecutable)
  if (path === undefined) return null
  const { mtimeMs, size, ino } = statSync(path)
  const identity = `${path} ${ino} ${mtimeMs} ${size}`
  if (last?.identity !== identity) last = { identity, found: examine(path) }
  return last.found
}

let last: { readonly identity: string; readonly found: FoundHaproxy } | null = null

function examine(path: string): FoundHaproxy {
  const [, version = '', major = '0', minor = '0'] = /version ((\d+)\.(\d+)[\d.]*)/.exec(askVersion(path)) ?? []
  const [oldestMajor = 0, oldestMinor = 0] = oldestVersion.split('.').map(Number)
  const isNewEnough = Number(major) > oldestMajor || (Number(major) === oldestMajor && Number(minor) >= oldestMinor)
  return { path, version, isNewEnough }
}

function askVersion(path: string): string {
  try {
    return execFileSync(path, ['-v'], { encoding: 'utf8', timeout: 2000, stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return ''
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
