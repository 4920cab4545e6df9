/** Which state `daruma dev` works in: beside the default state, so that it is never taken for what `up` has brought up; one for each config and stage. */

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

import { devSuffix, isDevState } from '../../host/dev-state.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'
import { defaultState } from './state.ts'

/** DARUMA_STATE names what `up` works in, and does not count. Throws `E_DEV_STATE` for a state that `up` made. */
export function devStateOf(context: Context, invocation: Invocation, file: string): string {
  const named = invocation.text('state')
  if (named === null) {
    const hash = createHash('sha256')
      .update(JSON.stringify([file, invocation.text('stage')]))
      .digest('hex')
      .slice(0, 8)
    const name = basename(dirname(file))
      .replaceAll(/[^A-Za-z0-9-]/g, '-')
      .slice(0, 40)
    return join(`${defaultState(context)}${devSuffix}`, `${name}-${hash}`)
  }
  const directory = resolve(context.cwd, named)
  if (!existsSync(join(directory, 'state.db')) || isDevState(directory)) return directory
  throw new DarumaError('E_DEV_STATE', `${directory} is the state of something that \`daruma up\` has brought up.`, {
    hint: '`daruma dev` takes down what it finds in its state when it ends: leave --state out, or name another directory.',
  })
}
