/**
 * Makes a copy of the built package whose keeper can be held at each of its `#@ point:` lines. The production script has no switch
 * for this: the copy has other lines. A gate is a named pipe; a keeper that comes to it stands in open(2) until somebody opens
 * the other end, and needs no process of its own for waiting.
 */

import { spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  cpSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { identify, until, type ProcessId } from './processes.ts'

const mark = /^( *)#@ point: (\S+)$/gm

export interface Gate {
  /** Resolves when a keeper stands at the gate, with the process that stands there. */
  arrival(limitMs: number): Promise<{ readonly keeper: ProcessId; readonly epoch: number }>
  /** Lets the keeper go on; does nothing when none stands there (any more). */
  open(): void
}

export interface GatedPackage {
  /** The launcher to start instead of this package's own. */
  readonly launcher: string
  readonly points: readonly string[]
  /** Closes a gate for the next keeper that comes there; those after it pass. */
  close(point: string): Gate
}

/** `directory` must be there and must be removed by the caller. */
export function makeGatedPackage(root: string, directory: string): GatedPackage {
  for (const part of ['bin', 'dist', 'package.json']) cpSync(join(root, part), join(directory, part), { recursive: true })
  const modules = [join(root, 'node_modules'), join(root, '../../node_modules')].find(existsSync)
  if (modules === undefined) throw new Error(`no node_modules for ${root}`)
  symlinkSync(modules, join(directory, 'node_modules'))

  const script = join(directory, 'dist/host/keeper.sh')
  const source = readFileSync(script, 'utf8')
  const points = [...source.matchAll(mark)].map((match) => match[2] ?? '')
  if (points.length < 5) throw new Error(`the keeper has only ${points.length} points: ${points.join(' ')}`)
  writeFileSync(
    script,
    source.replace(mark, (_line, indent: string, point: string) => `${indent}${standAt(join(directory, `gate-${point}`))}`),
  )
  return { launcher: join(directory, 'bin/daruma'), points, close: (point) => closeGate(join(directory, `gate-${point}`)) }
}

/** One line of sh: if there is a pipe, say who came, and wait at it. `$daruma_home` is the epoch's directory, `$daruma_self` the host's word. */
const standAt = (gate: string): string =>
  `if [ -p '${gate}' ]; then echo "\${daruma_self%% *} $daruma_home" >'${gate}.came'; ` +
  `read -r daruma_gate <'${gate}' || :; fi`

function closeGate(gate: string): Gate {
  for (const old of [gate, `${gate}.came`, `${gate}.used`]) rmSync(old, { force: true })
  const made = spawnSync('mkfifo', [gate])
  if (made.status !== 0) throw new Error(`mkfifo ${gate}: ${String(made.stderr)}`)
  return {
    async arrival(limitMs) {
      const came = await until(`a keeper comes to ${gate}`, limitMs, () => readWhole(`${gate}.came`))
      const home = came.slice(came.indexOf(' ') + 1)
      const keeper = await until(`the keeper of ${home} is found`, limitMs, () => identify(Number.parseInt(came, 10)))
      // By another name it is no gate for the next keeper; anything that waits in it is not disturbed.
      renameSync(gate, `${gate}.used`)
      return { keeper, epoch: Number(home.slice(home.lastIndexOf('/') + 1)) }
    },
    open() {
      const pipe = [gate, `${gate}.used`].find(existsSync)
      if (pipe === undefined) return
      try {
        closeSync(openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK))
      } catch (error) {
        // Nobody reads it: the keeper is gone.
        if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error
      }
    },
  }
}

function readWhole(file: string): string | null {
  if (!existsSync(file)) return null
  const text = readFileSync(file, 'utf8')
  return text.endsWith('\n') ? text.trimEnd() : null
}
