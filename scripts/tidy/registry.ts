/**
 * No file may name a package registry: the lock file works with whichever one its user has configured.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesBelow } from '../tree.ts'
import type { Violation } from './rules.ts'

const hostPattern = /\b(?:registry|npm|pkgs?)(?:\.[a-z0-9-]+)+\.(?:org|com|io|dev|net|cn)\b/i

export function registryProblems(path: string, text: string, configured: string | null): readonly Violation[] {
  const problems: Violation[] = []
  const host = hostPattern.exec(text)?.[0] ?? (configured !== null && text.includes(configured) ? configured : null)
  if (host !== null) problems.push({ path, message: `names the registry ${host}` })
  if (path.endsWith('package-lock.json') && /"resolved":\s*"https?:/.test(text))
    problems.push({ path, message: 'says where packages were resolved' })
  return problems
}

/** What git tracks or would track (every visible file where there is no repository), as text; binary files are skipped. */
export function trackedTexts(root: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>()
  for (const path of existsSync(join(root, '.git')) ? listed(root) : filesBelow('.', () => true)) {
    if (path === '') continue
    const text = readIfThere(join(root, path))
    if (text !== null && !text.includes('\0')) texts.set(path, text)
  }
  return texts
}

/** The host of the registry that npm uses here, which no file may name either; loopback names nobody. */
export function configuredRegistry(): string | null {
  const host = URL.parse(process.env['npm_config_registry'] ?? '')?.host ?? null
  return host === null || /^(?:localhost|127\.|\[::1\])/.test(host) ? null : host
}

function listed(root: string): readonly string[] {
  const options = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  return execFileSync('git', ['-C', root, ...options], { encoding: 'utf8', maxBuffer: 64 * 2 ** 20 }).split('\0')
}

/** A file may leave between the listing and the reading; git still lists one that was deleted. */
function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (['ENOENT', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}
