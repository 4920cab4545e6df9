/** The files of `envFile`: read by Node's own parser of dotenv files, and laid under what the config says itself. */

import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'

import type { Service } from '../../core/model/service.ts'

export interface EnvironmentAnswer {
  readonly environment: Service['environment']
  readonly warnings: readonly string[]
  readonly faults: readonly { readonly message: string; readonly allowed: string | null }[]
}

const mostBytes = 1024 * 1024
const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/

export async function readEnvironmentFiles(service: Service, directory: string): Promise<EnvironmentAnswer> {
  const warnings: string[] = []
  const faults: { message: string; allowed: string | null }[] = []
  const found: Record<string, string> = {}
  for (const path of service.envFile) {
    const text = await readText(resolve(directory, path))
    if (typeof text !== 'string') {
      faults.push({ message: `${path} ${text.fault}`, allowed: text.allowed })
      continue
    }
    for (const [name, value] of Object.entries(parseEnv(text))) {
      const unused = explainUnused(name, service)
      if (unused === null) found[name] = value ?? ''
      else warnings.push(`${service.name}: ${name} of ${path} is not used: ${unused}`)
    }
  }
  return { environment: { ...found, ...service.environment }, warnings, faults }
}

/** What Daruma gives itself would be overwritten at each start; a plan must not show another value. */
function explainUnused(name: string, { port, secrets }: Service): string | null {
  if (!namePattern.test(name)) return 'it is not the name of a variable'
  if (name.startsWith('DARUMA_')) return "these names are Daruma's own"
  if (name === 'PORT' && port.kind !== 'none') return 'PORT is given by Daruma (port: 3000 chooses it)'
  return Object.hasOwn(secrets, name) ? 'it is in secrets' : null
}

async function readText(file: string): Promise<string | { readonly fault: string; readonly allowed: string | null }> {
  try {
    const found = await stat(file)
    if (!found.isFile()) return { fault: 'is not a file', allowed: null }
    if (found.size > mostBytes) return { fault: 'is larger than 1 MiB', allowed: 'lines of NAME=value' }
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return { fault: `does not exist (${file})`, allowed: null }
    return { fault: `cannot be read: ${code === 'EACCES' ? 'permission denied' : String(code)}`, allowed: null }
  }
}
