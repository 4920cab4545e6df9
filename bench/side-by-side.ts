/** A folder for a bench, the pipe of first actions in it, and the peers that can be had here. */

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeWorkshop } from '../test/clean-up.ts'
import { hearFirstActions, type FirstActions } from './first-actions.ts'
import { darumaPeer, type DarumaPeer } from './peers/daruma.ts'
import type { Peer } from './peers/peer.ts'
import { pm2Peer } from './peers/pm2.ts'
import { supervisordPeer } from './peers/supervisord.ts'

export interface Bench extends Disposable {
  readonly actions: FirstActions
  daruma(health?: unknown): DarumaPeer
  /** Fresh ones, each with a home of its own; those that cannot be installed are named on stderr and left out. */
  peers(): readonly Peer[]
}

export function openBench(): Bench {
  const workshop = makeWorkshop()
  const actions = hearFirstActions(workshop)
  let homes = 0
  const options = (): { readonly home: string; readonly firstAction: string } => {
    const home = join(workshop, `home-${(homes += 1)}`)
    mkdirSync(home)
    return { home, firstAction: actions.path }
  }
  return {
    actions,
    daruma: (health) => darumaPeer({ ...options(), ...(health === undefined ? {} : { health }) }),
    peers: () => {
      const wanted = { pm2: pm2Peer(options()), supervisord: supervisordPeer(options()) }
      for (const [name, peer] of Object.entries(wanted))
        if (peer === null) console.error(`${name} cannot be installed here, so it is left out`)
      return Object.values(wanted).filter((peer) => peer !== null)
    },
    [Symbol.dispose]: () => {
      actions[Symbol.dispose]()
      rmSync(workshop, { recursive: true, force: true })
    },
  }
}

/** 0, 1, 2 … n-1 in even rounds, the other way in odd ones: nobody is always the one who comes after the noisy one. */
export const inOrder = <Item>(items: readonly Item[], round: number): readonly Item[] =>
  round % 2 === 0 ? items : items.toReversed()
