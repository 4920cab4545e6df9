/** Which Compose files a folder has: one of the usual names and, as in Compose, its override. */

import { access } from 'node:fs/promises'
import { join } from 'node:path'

const names = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml']

export async function findCompose(directory: string): Promise<readonly string[]> {
  const [file] = await present(directory, names)
  if (file === undefined) return []
  const stem = file.replace(/\.ya?ml$/, '')
  const [override] = await present(directory, [`${stem}.override.yaml`, `${stem}.override.yml`])
  return override === undefined ? [file] : [file, override]
}

async function present(directory: string, candidates: readonly string[]): Promise<readonly string[]> {
  const found: string[] = []
  for (const name of candidates) {
    const isThere = await access(join(directory, name)).then(
      () => true,
      () => false,
    )
    if (isThere) found.push(name)
  }
  return found
}
