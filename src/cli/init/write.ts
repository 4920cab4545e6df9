/** Writes the starter. An existing file is never overwritten, not even one that appears at the same moment. */

import { access, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DarumaError } from '../../ports/error.ts'
import { discover } from './discover.ts'
import { proposeConfig } from './propose.ts'

const names = ['daruma.config.ts', 'daruma.config.mts', 'daruma.config.js', 'daruma.config.mjs']

export interface Starter {
  /** Absolute when `directory` is. */
  readonly file: string
  readonly text: string
}

/** Throws `E_INIT_EXISTS` when the folder has a config, and `E_INIT_WRITE` when it cannot be written to. */
export async function writeStarter(
  directory: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Starter> {
  for (const name of names) if (await exists(join(directory, name))) throw alreadyThere(join(directory, name))
  const file = join(directory, names[0]!)
  const text = proposeConfig(await discover(directory, environment), directory)
  try {
    await writeFile(file, text, { flag: 'wx' })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EEXIST') throw alreadyThere(file)
    throw new DarumaError('E_INIT_WRITE', `${file} cannot be written: ${code}`, { cause: error })
  }
  return { file, text }
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

function alreadyThere(file: string): DarumaError {
  return new DarumaError('E_INIT_EXISTS', `${file} is already there and stays as it is`, {
    hint: 'daruma init --print only shows what it would write.',
  })
}
