/** How to run something inside a container: through the engine's own client, which a machine with the engine has. */

import { randomBytes } from 'node:crypto'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

import { DarumaError } from '../../../ports/error.ts'
import type { ExecPlan } from '../../../ports/runtime/runtime.ts'
import type { EngineInfo } from '../engine/parse-engine.ts'

/** Throws `E_RUNTIME_NOT_RUNNING` and `E_ENGINE_CLIENT`. */
export function planExec(options: {
  readonly slot: string
  readonly containerId: string | null
  readonly info: EngineInfo | null
  readonly command: readonly string[]
}): ExecPlan {
  const { slot, containerId, info, command } = options
  if (containerId === null || info === null)
    throw new DarumaError('E_RUNTIME_NOT_RUNNING', `${slot} is not running, so nothing can be run inside it`)
  // Podman's own client speaks with its engine only when told to; Docker's speaks the same language.
  const docker = findProgram('docker')
  const podman = findProgram('podman')
  const host = `unix://${info.socket}`
  const environment = { PATH: programPath }
  // The client's end is not the end of what it asked the engine to run.
  const marker = `DARUMA_EXEC=${randomBytes(12).toString('hex')}`
  const inside = ['--env', marker, containerId, ...command]
  if (docker !== null && (info.name === 'docker' || podman === null))
    return { command: ['/bin/sh', '-c', enter, docker, '--host', host, ...inside], environment, marker }
  if (podman !== null) return { command: ['/bin/sh', '-c', enter, podman, '--url', host, ...inside], environment, marker }
  throw new DarumaError(
    'E_ENGINE_CLIENT',
    `${slot} is a container, and neither docker nor podman is installed to run something in it`,
    {
      hint: 'Install the client: apt install docker.io (or docker-cli), or podman.',
    },
  )
}

/** Whether there is a terminal is known only where the command runs; a client that is told of one where there is none refuses. */
const enter =
  'flag=$1 host=$2; shift 2; tty=; [ -t 0 ] && [ -t 1 ] && tty=--tty; exec "$0" "$flag" "$host" exec --interactive $tty "$@"'

const programPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

function findProgram(name: string): string | null {
  for (const directory of programPath.split(':')) {
    try {
      accessSync(join(directory, name), constants.X_OK)
      return join(directory, name)
    } catch {
      continue
    }
  }
  return null
}
