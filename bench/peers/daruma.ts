/** Ourselves, through the command that users type, with the back-off off like everybody here. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Machine, root } from '../../test/daemon-harness.ts'
import { readStateId } from '../../test/clean-up.ts'
import type { Peer, PeerOptions } from './peer.ts'

export interface DarumaPeer extends Peer {
  readonly machine: Machine
}

/** `health` goes into the service as it is; without it there are no probes. */
export function darumaPeer(options: PeerOptions & { readonly health?: unknown }): DarumaPeer {
  const machine = new Machine()
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string }
  return {
    name: `daruma ${version}`,
    machine,
    async start(count) {
      await machine.up({
        idle: {
          command: [join(import.meta.dirname, 'first-action.sh')],
          replicas: count,
          environment: { FIRST_ACTION: options.firstAction },
          restart: { delay: false },
          ...(options.health === undefined ? {} : { health: options.health }),
        },
      })
    },
    overhead: () => (['daemon', 'supervisor', 'collector'] as const).flatMap((role) => machine.find(role)),
    cgroup: () => {
      const stateId = readStateId(machine.state)
      return stateId === null ? null : join('daruma', stateId)
    },
    program: () => machine.find('instance', 'idle/0')[0] ?? null,
    stop: () => machine[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose](),
  }
}
